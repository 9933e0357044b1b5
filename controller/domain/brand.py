"""Is a unit BT-branded (T§10c)? Evidence becomes scored signals, signals a verdict."""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.domain.facts import BrandVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a depot or a hub reported of a unit. None: not seen."""

    imei: str | None = None
    model: str | None = None
    firmware: str | None = None
    mac: str | None = None
    usb_id: str | None = None
    branding_file: str | None = None
    certificate_issuer: str | None = None
    iccid: str | None = None
    expected_iccid: str | None = None
    operator_verdict: BrandVerdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TacEntry:
    """One row of the operator's table: a TAC (8 digits), the model it belongs to, and whether that model is BT-branded."""

    tac: str
    model: str
    bt_branded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One piece of evidence read: for (+) or against (-) BT branding, and whether it can be spoofed."""

    name: str
    weight: int
    says: str
    spoofable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandJudgement:
    """A verdict with what it rests on."""

    verdict: BrandVerdict
    confidence: float
    signals: tuple[Signal, ...]
    contradictions: tuple[str, ...]
    needs_review: bool
    alarm: bool
    reason: str


def judge_brand(evidence: Evidence, tacs: Mapping[str, TacEntry]) -> BrandJudgement:
    """Judge a unit; no single spoofable signal yields bt_branded (T§10c)."""
    raise NotImplementedError
