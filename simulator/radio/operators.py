"""Operators a UK hub may meet, at home and abroad, with the cells the simulator puts on the air for them.

PLMN and APN from public registers; cell identities are invented. The Crown dependencies share MCC 234 and are not in
the UK.
"""

from dataclasses import dataclass, replace

from simulator.radio.air import Cell


@dataclass(frozen=True, slots=True)
class Operator:
    """A network: PLMN, long and short name, country, default APN and resolvers."""

    plmn: str
    name: str
    short: str
    country: str
    apn: str
    dns: tuple[str, str]


_OPERATORS = (
    Operator("23430", "EE", "EE", "GB", "everywhere", ("109.249.185.224", "109.249.186.32")),
    Operator("23433", "EE", "EE", "GB", "everywhere", ("109.249.185.224", "109.249.186.32")),
    Operator("23476", "BT", "BT", "GB", "btmobile.bt.com", ("109.249.185.224", "109.249.186.32")),
    Operator("23410", "O2 - UK", "O2 -UK", "GB", "mobile.o2.co.uk", ("82.132.254.2", "82.132.254.3")),
    Operator("23415", "vodafone UK", "voda UK", "GB", "internet", ("10.206.64.1", "10.206.65.1")),
    Operator("23420", "3 UK", "3 UK", "GB", "three.co.uk", ("188.31.250.128", "188.31.250.129")),
    Operator("23450", "JT", "JT", "JE", "pepper", ("212.9.0.135", "212.9.0.136")),
    Operator("23455", "Sure", "Sure", "GG", "internet", ("195.226.128.10", "195.226.128.11")),
    Operator("23458", "Manx Telecom", "Manx", "IM", "3gpronto", ("195.10.100.1", "195.10.100.2")),
    Operator("27201", "vodafone IE", "voda IE", "IE", "isp.vodafone.ie", ("89.19.64.36", "89.19.64.164")),
    Operator("20801", "Orange F", "Orange", "FR", "orange", ("80.10.246.2", "80.10.246.129")),
    Operator("26201", "Telekom.de", "TDG", "DE", "internet.telekom", ("10.74.210.210", "10.74.210.211")),
    Operator("310260", "T-Mobile", "T-Mobile", "US", "fast.t-mobile.com", ("10.177.0.34", "10.177.0.210")),
)
_BY_PLMN = {operator.plmn: operator for operator in _OPERATORS}

_CELLS = (
    Cell("23430", 0x2F1B, 0x0B57DE3, 63, 3, 1617, 108.0),
    Cell("23430", 0x2F1B, 0x0B57DE8, 64, 20, 6225, 104.0, 25),
    Cell("23430", 0x2F1B, 0x0B57DEB, 311, 7, 3350, 119.0),
    Cell("23410", 0x1C05, 0x01E4A02, 128, 20, 6400, 112.0, 50),
    Cell("23415", 0x0A31, 0x051C30B, 402, 20, 6300, 113.0, 50),
    Cell("23415", 0x0A31, 0x051C30C, 17, 7, 3050, 126.0),
    Cell("23420", 0x00E9, 0x00F0B21, 209, 3, 1392, 117.0, 75),
    Cell("23450", 0x0064, 0x0006401, 5, 3, 1300, 110.0),
    Cell("23455", 0x0037, 0x0003702, 8, 20, 6200, 111.0, 50),
    Cell("23458", 0x003A, 0x0003A01, 12, 3, 1500, 112.0),
    Cell("27201", 0x0BB9, 0x0BB9101, 88, 20, 6300, 114.0, 50),
    Cell("20801", 0x5A1E, 0x0B28C0C, 257, 3, 1850, 112.0),
    Cell("26201", 0x6E34, 0x1D0A703, 331, 3, 1300, 115.0),
    Cell("310260", 0x2A10, 0x0C0FFEE, 77, 4, 2300, 115.0),
)


_EQUIVALENT_HOMES = ({"23430", "23433", "23434", "23476"},)  # EE and BT: one radio network


def is_home(plmn: str, home: str) -> bool:
    """Whether a network counts as the subscriber's own: the same PLMN or an equivalent one (EHPLMN)."""
    return plmn == home or any({plmn, home} <= group for group in _EQUIVALENT_HOMES)


def may_roam(plmn: str, home: str) -> bool:
    """Networks of one country do not carry each other's subscribers."""
    country = operator_of(plmn).country
    return not country or country != operator_of(home).country


def operator_of(plmn: str) -> Operator:
    """The operator of a PLMN; a made-up one, named by its code, when the table lacks it."""
    return _BY_PLMN.get(plmn) or Operator(plmn, plmn, plmn, "", "internet", ("198.51.100.53", "198.51.100.54"))


def cells_of(*plmns: str, path_loss_db: float | None = None) -> tuple[Cell, ...]:
    """The cells the named networks have on the air here; all of mainland UK when none is named."""
    wanted = plmns or ("23430", "23410", "23415", "23420")
    cells = [cell for cell in _CELLS if cell.plmn in wanted]
    covered = {cell.plmn for cell in cells}
    cells += [Cell(plmn, 0x0001, 0x0000101, 1, 3, 1300, 112.0) for plmn in wanted if plmn not in covered]
    if path_loss_db is not None:
        cells = [replace(cell, path_loss_db=path_loss_db) for cell in cells]
    return tuple(cells)
