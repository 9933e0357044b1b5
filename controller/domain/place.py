"""Where a Mini Hub may be used, and what coverage means for it (T§10a)."""

from dataclasses import dataclass

# GB and Northern Ireland; not Ireland, not the Crown dependencies, which share the mobile country code 234.
UK_COUNTRY_CODES = frozenset({"234", "235"})
CROWN_DEPENDENCY_NETWORKS = frozenset({"23403", "23436", "23450", "23455", "23458"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageShown:
    """What is expected and what the hub reports, side by side; poor coverage refuses nothing."""

    expected: str
    reported: str
    refuses: bool = False


def is_uk_network(plmn: str) -> bool:
    """Say whether a network (MCC and MNC digits) is a United Kingdom one; anything malformed is not (T§10a)."""
    digits = plmn.replace("-", "")
    is_sound = digits.isascii() and digits.isdigit() and len(digits) in {5, 6}
    return is_sound and digits[:3] in UK_COUNTRY_CODES and digits not in CROWN_DEPENDENCY_NETWORKS


def coverage_shown(expected: str | None, reported: str | None) -> CoverageShown:
    """Show coverage (T§10a): it is needed for the hub to work, but its lack is no refusal."""
    return CoverageShown(expected=expected or "not known", reported=reported or "not reported yet")
