"""Temperatures: three layouts of +QTEMP (Q26), SIMCom +CPMUTEMP, Huawei ^CHIPTEMP."""

from collections.abc import Sequence

from firmware_bridge.modem.parse.fields import at, failure, fields, first_payload, number, payloads
from firmware_bridge.types import Temperature

_LEAST_C, _MOST_C = -60.0, 150.0
_PLACEHOLDERS = {255, -273, 65535, -32768, 32767}
_QTEMP_SENSORS = ("pmic", "xo", "pa")
_TENTHS_FROM = 110  # hotter than that no modem answers: these are tenths
_MILLI_FROM = 1000  # 1 000 °C is none; thousandths of a degree are


def _celsius(field: str, *, scale: float = 1.0) -> float | None:
    """Degrees, or None for a placeholder (255, -273, 65535), `-`, and what no chip survives."""
    value = number(field)
    if value is None or value in _PLACEHOLDERS:
        return None
    degrees = value / 1000 if abs(value) >= _MILLI_FROM else value * scale
    return round(degrees, 1) if _LEAST_C <= degrees <= _MOST_C else None


def _known(readings: dict[str, float | None]) -> Temperature:
    return Temperature({name: value for name, value in readings.items() if value is not None})


def parse_qtemp(lines: Sequence[str]) -> Temperature:
    """Quectel `+QTEMP: 33,31,29` (pmic, xo, pa), or one `+QTEMP:"sensor","34"` a line, in degrees or thousandths."""
    rows = [fields(text) for text in payloads(lines, "+QTEMP")]
    if not rows:
        raise failure("+QTEMP", " | ".join(lines), "no such line in the reply")
    if any(number(row[0]) is None and row[0] not in {"", "-"} for row in rows):
        return _known({row[0]: _celsius(at(row, 1)) for row in rows})
    return _known({name: _celsius(value) for name, value in zip(_QTEMP_SENSORS, rows[0], strict=False)})


def parse_cpmutemp(lines: Sequence[str]) -> Temperature:
    """SIMCom `+CPMUTEMP: 34`."""
    return _known({"pmu": _celsius(fields(first_payload(lines, "+CPMUTEMP"))[0])})


def parse_chiptemp(lines: Sequence[str]) -> Temperature:
    """Huawei `^CHIPTEMP: …`: a list in degrees, in tenths on 5G (any reading above 110 says so); 65535 is not there."""
    values = [value.rstrip(".") for value in fields(first_payload(lines, "^CHIPTEMP"))]
    numbers = [found for value in values if (found := number(value)) is not None and found not in _PLACEHOLDERS]
    scale = 0.1 if any(abs(value) > _TENTHS_FROM for value in numbers) else 1.0
    return _known({f"chip{index}": _celsius(value, scale=scale) for index, value in enumerate(values)})
