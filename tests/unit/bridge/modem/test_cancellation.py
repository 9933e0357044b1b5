"""Cancelled at any await of any call, a driver goes on: the points are counted, none is picked by hand."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

import pytest

from firmware_bridge.errors import BridgeError
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.huawei import HuaweiModem
from firmware_bridge.modem.quectel import QuectelModem
from firmware_bridge.modem.simcom import SimcomModem
from firmware_bridge.modem.zte import ZteModem
from firmware_bridge.types import Authentication, BearerSettings, Sms
from simulator.virtual.loop import run_virtual
from tests.unit.bridge.modem.scripted import Answer, Scripted, open_driver
from tests.unit.bridge.modem_parse.rows_sms import PDU

SETTINGS = BearerSettings("internet", username="u", password="p", authentication=Authentication.PAP)
POINTS_MOST = 400  # a call with more awaits than this would be a surprise worth looking at
LEVEL_DBM = -71

Call = Callable[[Modem], Awaitable[object]]
CALLS: dict[str, Call] = {
    "initialise": lambda modem: modem.initialise(),
    "identity": lambda modem: modem.identity(),
    "sim": lambda modem: modem.sim(),
    "unlock": lambda modem: modem.unlock("1234"),
    "registration": lambda modem: modem.registration(),
    "operator": lambda modem: modem.operator(),
    "signal": lambda modem: modem.signal(),
    "connect": lambda modem: modem.connect(SETTINGS),
    "disconnect": lambda modem: modem.disconnect(),
    "bearer": lambda modem: modem.bearer(),
    "counters": lambda modem: modem.counters(),
    "network_time": lambda modem: modem.network_time(),
    "temperature": lambda modem: modem.temperature(),
    "scan": lambda modem: modem.scan(),
    "receive_sms": lambda modem: modem.receive_sms(),
    "delete_sms": lambda modem: modem.delete_sms(Sms("+447700900123", None, "", (1, 2), "ME")),
    "set_radio": lambda modem: modem.set_radio(False),
    "cycle_radio": lambda modem: modem.cycle_radio(),
    "reboot": lambda modem: modem.reboot(),
    "power_off": lambda modem: modem.power_off(),
}
ANSWERS: dict[str, Answer] = {
    "ATI": "Quectel\nEC25",
    "AT+CGSN": "490154203237518",
    "AT+CPIN?": ["+CPIN: SIM PIN", "+CPIN: SIM PIN", "+CPIN: READY"],
    'AT+CPIN="1234"': "",
    "AT+CEREG?": '+CEREG: 3,1,"1F00","79D903",7',
    "AT+COPS=?": '+COPS: (2,"EE","EE","23430",7),,(0,1,2,3,4),(0,1,2)',
    "AT+CGACT?": ["", "", "+CGACT: 1,1"],
    "AT+CGDCONT?": "",
    'AT+CGDCONT=1,"IPV4V6","internet"': "",
    'AT+CGAUTH=1,1,"u","p"': "",
    'AT+CGAUTH=1,1,"p","u"': "",
    "AT+CGATT?": "+CGATT: 0",
    "AT+CGPADDR=1": '+CGPADDR: 1,"10.1.2.3"',
    "AT+CCLK?": '+CCLK: "26/11/21,22:40:00+00"',
    "AT+CMGL=4": f"+CMGL: 1,0,,{len(PDU) // 2 - 8}\n{PDU}",
    "AT+CMGD=1": "",
    "AT+CMGD=2": "",
    "AT+CFUN=1,1": "",
    "AT+CRESET": "",
    "AT^RESET": "",
    "AT+QPOWD": b"\r\nOK\r\n\r\nPOWERED DOWN\r\n",
    "AT+CPOF": b"\r\nOK\r\n\r\nNORMAL POWER DOWN\r\n",
    "AT+QTEMP": "+QTEMP: 33,31,29",
    "AT+QGDCNT?": "+QGDCNT: 1,2",
    "AT+NETOPEN?": ["+NETOPEN: 0", "+NETOPEN: 1"],
    "AT+NETOPEN": b"\r\nOK\r\n\r\n+NETOPEN: 0\r\n",
    "AT+NETCLOSE": b"\r\nOK\r\n\r\n+NETCLOSE: 0\r\n",
    "AT^NDISSTATQRY?": ["^NDISSTATQRY: 0", "^NDISSTATQRY: 0", "^NDISSTATQRY: 1", "^NDISSTATQRY: 1", "^NDISSTATQRY: 0"],
    'AT^NDISDUP=1,1,"internet","u","p",1': "",
    "AT^NDISDUP=1,0": "",
    "AT^CHIPTEMP?": "^CHIPTEMP: 36",
    "AT^CURC=0": "",
}


class _Counting:
    """Runs a coroutine and calls `at_point` at each of its suspensions."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], at_point: Callable[[int], None]) -> None:
        self._coroutine = coroutine
        self._at_point = at_point
        self.points = 0

    def __await__(self) -> Generator[Any, Any, object]:
        value: Any = None
        failure: BaseException | None = None
        while True:
            try:
                waited = self._coroutine.send(value) if failure is None else self._coroutine.throw(failure)
            except StopIteration as ended:
                return ended.value
            self.points += 1
            self._at_point(self.points)
            value, failure = None, None
            try:
                value = yield waited
            except BaseException as raised:
                failure = raised


async def _cancelled_at(modem: Modem, call: Call, point: int) -> bool:
    """Whether the call reached its await number `point`; there it was cancelled, and must have ended of that."""
    reached = False

    def at_point(number: int) -> None:
        nonlocal reached
        if number == point:
            reached = True
            task.cancel()

    async def run() -> object:
        return await _Counting(call(modem), at_point)  # type: ignore[arg-type]

    task = asyncio.create_task(run())
    await asyncio.gather(task, return_exceptions=True)
    assert reached == task.cancelled()
    assert reached or task.exception() is None or isinstance(task.exception(), BridgeError)
    return reached


async def _usable(modem: Modem) -> None:
    """The next command's answer is its own, and the one behind it too."""
    for _ in range(2):
        assert (await modem.identity()).imei == "490154203237518"
    assert (await modem.signal()).rssi_dbm == LEVEL_DBM


@pytest.mark.parametrize("driver", [QuectelModem, SimcomModem, HuaweiModem, ZteModem])
@pytest.mark.parametrize("name", CALLS)
def test_a_call_cancelled_at_any_await_leaves_the_next_one_working(name: str, driver: type[Modem]) -> None:
    async def once(point: int) -> bool:
        modem = open_driver(Scripted(ANSWERS), driver=driver)
        try:
            reached = await _cancelled_at(modem, CALLS[name], point)
            await _usable(modem)
        finally:
            await modem.close()
        return reached

    point = 1
    while run_virtual(once(point)):
        point += 1
        assert point < POINTS_MOST
    assert point > 1 or name in {"counters", "temperature", "power_off"}  # some families refuse these without a word


def test_a_radio_cycle_cancelled_half_way_is_ended_by_the_next_question() -> None:
    async def main() -> None:
        port = Scripted({**ANSWERS, "AT+CFUN=1": None})
        modem = open_driver(port)
        cycling = asyncio.create_task(modem.cycle_radio())
        await asyncio.sleep(1)
        assert port.sent[-1] == "AT+CFUN=1"
        cycling.cancel()
        await asyncio.gather(cycling, return_exceptions=True)
        port.says["AT+CFUN=1"] = ""
        await modem.registration()
        assert port.sent.count("AT+CFUN=1") == 2
        await modem.close()

    run_virtual(main())
