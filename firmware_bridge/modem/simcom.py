"""SIMCom SIM7600: cell by +CPSI, the call by +NETOPEN whose success comes after its OK."""

import asyncio
from typing import ClassVar

from firmware_bridge.at.commands import Arrival, Bare, ChannelEvent, Command, Prefixed, Unsolicited, Urc
from firmware_bridge.at.tokens import join_parameters
from firmware_bridge.at.urcs import GENERIC as GENERIC_URCS
from firmware_bridge.errors import CommandError
from firmware_bridge.modem import bearer
from firmware_bridge.modem.dialect import CESQ, CSQ, EF_ICCID, GENERIC_INIT, IMEI, PIN_TRIES, Dialect
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.parse.bearer import parse_netopen_result, parse_netopen_state
from firmware_bridge.modem.parse.cell import ServingCell, parse_cnsmod, parse_cpsi
from firmware_bridge.modem.parse.identity import parse_iccid, parse_imei, tells_iccid, tells_imei
from firmware_bridge.modem.parse.sim import parse_spic
from firmware_bridge.modem.parse.temperature import parse_cpmutemp
from firmware_bridge.modem.query import Query, step
from firmware_bridge.modem.session import unsolicited
from firmware_bridge.types import Authentication, Bearer, BearerSettings, Signal

OPENED = Query(Command("AT+NETOPEN?", Prefixed("+NETOPEN")), parse_netopen_state, learnable=False)
OPEN = Command("AT+NETOPEN")
CLOSE = Command("AT+NETCLOSE")
_CNSMOD = Query(
    Command("AT+CNSMOD?", Prefixed("+CNSMOD")), lambda lines: ServingCell(Signal(technology=parse_cnsmod(lines)))
)

DIALECT = Dialect(
    family="simcom",
    init=(*GENERIC_INIT, step("AT+AUTOCSQ=0,0", "AT+AUTOCSQ=0")),
    urcs=GENERIC_URCS.extended(
        "+NETOPEN",
        "+NETCLOSE",
        "+SIMCARD",
        "+CIPEVENT",
        "+NITZ",
        "*PSUTTZ",
        Urc("+CSQ", Arrival.LATEST),
        "+CRING",
        "+RXDTMF",
        "SMS DONE",
        "PB DONE",
        "NORMAL POWER DOWN",
    ),
    imei=(IMEI, Query(Command("AT+SIMEI?", Bare(tells_imei, ("+SIMEI",))), parse_imei)),
    iccid=(Query(Command("AT+CICCID", Bare(tells_iccid, ("+ICCID", "+CICCID"))), parse_iccid), EF_ICCID),
    tries=(Query(Command("AT+SPIC", Prefixed("+SPIC")), parse_spic), PIN_TRIES),
    cell=(Query(Command("AT+CPSI?", Prefixed("+CPSI")), parse_cpsi), _CNSMOD),
    signal=(CESQ, CSQ),
    temperature=(Query(Command("AT+CPMUTEMP", Prefixed("+CPMUTEMP")), parse_cpmutemp),),
    reboot=Command("AT+CRESET"),
    power_off=Command("AT+CPOF"),
    powered_down=("NORMAL POWER DOWN",),
)


class SimcomModem(Modem):
    """SIM7600. +CPOF and +CRESET bring OK; old firmware says NORMAL POWER DOWN, newer only loses its port."""

    dialect: ClassVar[Dialect] = DIALECT

    async def bearer(self) -> Bearer:
        """Context 1 and the opened network: both must be up."""
        found = await super().bearer()
        if found.up and not await self._session.ask(OPENED):
            return Bearer(up=False)
        return found

    def _credentials(self, settings: BearerSettings) -> Command:
        """SIM7600 wants the password before the user name (SIM7500/7600 AT manual, +CGAUTH)."""
        if settings.authentication is Authentication.NONE:
            return super()._credentials(settings)
        values = join_parameters(bearer.CID, int(settings.authentication), settings.password, settings.username)
        return Command(f"AT+CGAUTH={values}", secret=True)

    async def _start_call(self, settings: BearerSettings) -> None:
        await super()._start_call(settings)
        if not await self._session.ask(OPENED):
            await self._switch(OPEN, "+NETOPEN")

    async def _end_call(self) -> None:
        if await self._session.ask(OPENED):
            await self._switch(CLOSE, "+NETCLOSE")
        await super()._end_call()

    async def _switch(self, command: Command, name: str) -> None:
        """Send, then wait for the result that follows the OK: 0 is success, the other way round than when asked."""
        with self._session.expecting(unsolicited(name)) as result:
            try:
                await self._session.execute(command)
            except CommandError as error:
                if "already" in (error.text or str(error)).lower():
                    return
                raise
            code = await self._result(result, command)
        if code != 0:
            raise CommandError(command.text, kind=name, code=code)

    @staticmethod
    async def _result(result: "asyncio.Future[ChannelEvent]", command: Command) -> int | None:
        try:
            async with asyncio.timeout(bearer.UP_WITHIN_S):
                event = await result
        except TimeoutError as error:
            raise CommandError(command.text, kind="accepted, but no result followed") from error
        return parse_netopen_result(event.line) if isinstance(event, Unsolicited) else None
