"""Huawei ME909: levels by ^HCSQ, the call by ^NDISDUP, counters by ^DSFLOWQRY, floods silenced by ^CURC=0."""

from typing import ClassVar

from firmware_bridge.at.commands import Arrival, Bare, Command, Prefixed, Urc
from firmware_bridge.at.tokens import join_parameters
from firmware_bridge.at.urcs import GENERIC as GENERIC_URCS
from firmware_bridge.modem import bearer
from firmware_bridge.modem.dialect import CLOCK, CSQ, EF_ICCID, GENERIC_INIT, PIN_TRIES, Dialect
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.parse.bearer import DataCall, parse_dhcp, parse_ndisstat
from firmware_bridge.modem.parse.cell import ServingCell, parse_sysinfoex
from firmware_bridge.modem.parse.clock import parse_nwtime
from firmware_bridge.modem.parse.counters import parse_dsflowqry
from firmware_bridge.modem.parse.identity import parse_iccid, tells_iccid
from firmware_bridge.modem.parse.signal import parse_hcsq
from firmware_bridge.modem.parse.sim import parse_huawei_cpin
from firmware_bridge.modem.parse.temperature import parse_chiptemp
from firmware_bridge.modem.query import Query, step
from firmware_bridge.types import Authentication, Bearer, BearerSettings, Signal

CALLS = Query(Command("AT^NDISSTATQRY?", Prefixed("^NDISSTATQRY", "^NDISSTATQry")), parse_ndisstat, learnable=False)
LEASE = Query(Command("AT^DHCP?", Prefixed("^DHCP")), parse_dhcp)
HANG_UP = Command(f"AT^NDISDUP={bearer.CID},0")
_SYSTEM = Query(
    Command("AT^SYSINFOEX", Prefixed("^SYSINFOEX", "^SYSINFO")),
    lambda lines: ServingCell(Signal(technology=parse_sysinfoex(lines).technology)),
)

DIALECT = Dialect(
    family="huawei",
    # ^CURC=0 first: its floods fill an unread port and crash the device (Q29). ^NDISSTAT comes none the less.
    init=(GENERIC_INIT[0], step("AT^CURC=0"), *GENERIC_INIT[1:]),
    urcs=GENERIC_URCS.extended(
        "^NDISSTAT",
        "^NDISEND",
        "^SIMST",
        "^SRVST",
        "^MODE",
        "^STIN",
        Urc("^CSNR", Arrival.LATEST),
        Urc("^RSSI", Arrival.LATEST),
        Urc("^HCSQ", Arrival.LATEST),
        Urc("^DSFLOWRPT", Arrival.LATEST),
        Urc("^BOOT", Arrival.LATEST),
        Urc("^NWTIME", Arrival.LATEST),
        Urc("^TIME", Arrival.LATEST),
    ),
    iccid=(Query(Command("AT^ICCID?", Bare(tells_iccid, ("^ICCID",))), parse_iccid), EF_ICCID),
    tries=(Query(Command("AT^CPIN?", Prefixed("^CPIN")), lambda lines: parse_huawei_cpin(lines)[1]), PIN_TRIES),
    cell=(_SYSTEM,),
    signal=(Query(Command("AT^HCSQ?", Prefixed("^HCSQ")), parse_hcsq), CSQ),
    clock=(Query(Command("AT^NWTIME?", Prefixed("^NWTIME")), parse_nwtime), CLOCK),
    temperature=(Query(Command("AT^CHIPTEMP?", Prefixed("^CHIPTEMP")), parse_chiptemp),),
    counters=Query(Command("AT^DSFLOWQRY", Prefixed("^DSFLOWQRY", next_line=True)), parse_dsflowqry),
    reboot=Command("AT^RESET"),
)


def dial(settings: BearerSettings) -> Command:
    """^NDISDUP with user, password and authentication where there are any (ME909 AT specification)."""
    if settings.authentication is Authentication.NONE:
        return Command("AT^NDISDUP=" + join_parameters(bearer.CID, 1, settings.apn))
    credentials = (settings.username, settings.password, int(settings.authentication))
    return Command("AT^NDISDUP=" + join_parameters(bearer.CID, 1, settings.apn, *credentials), secret=True)


class HuaweiModem(Modem):
    """ME909."""

    dialect: ClassVar[Dialect] = DIALECT

    async def bearer(self) -> Bearer:
        """The call by ^NDISSTATQRY; IPv4 address and servers by ^DHCP where +CGPADDR tells none."""
        if not any(call.up for call in await self._calls()):
            return Bearer(up=False)
        found = await super().bearer()
        lease = await self._session.ask_first([LEASE])
        addresses = found.addresses or ((lease.address,) if lease and lease.address else ())
        dns = found.dns or (lease.dns if lease else ())
        return Bearer(up=True, cid=bearer.CID, apn=found.apn, addresses=addresses, dns=dns)

    async def _calls(self) -> tuple[DataCall, ...]:
        return await self._session.ask(CALLS)

    async def _is_up(self) -> bool:
        return any(call.up for call in await self._calls())

    async def _is_down(self) -> bool:
        return not await self._is_up()

    async def _start_call(self, settings: BearerSettings) -> None:
        """The OK says only that dialling began; ^NDISSTAT or the asked state says the rest (Q39)."""
        if not await self._is_up():
            await self._session.execute(dial(settings))
            await bearer.settle(self._is_up, "AT^NDISDUP")

    async def _end_call(self) -> None:
        if await self._is_up():
            await self._session.execute(HANG_UP)
            await bearer.settle(self._is_down, "AT^NDISDUP")
