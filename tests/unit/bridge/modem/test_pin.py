"""The rule about PINs: a wrong one is never sent twice, the last try is never used up unasked."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from firmware_bridge.errors import CommandError, CommandTimeoutError, Remedy, SimError
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.pin import PinMemory
from firmware_bridge.modem.recovery import RecoveringOpener
from firmware_bridge.types import SimState
from simulator.virtual.loop import run_virtual
from tests.unit.bridge.modem.scripted import Answer, Scripted, drive, open_driver

ENTER = 'AT+CPIN="1234"'
LOCKED: dict[str, Answer] = {
    "AT+CPIN?": "+CPIN: SIM PIN",
    'AT+QPINC="SC"': '+QPINC: "SC",3,10',
    "AT+QCCID": "+QCCID: 8944100030012345678F",
}


def test_a_pin_is_entered_once_and_ready_waited_for() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        asking = modem.unlock("1234")
        await asking
        assert port.sent.count(ENTER) == 1
        assert (await modem.sim()).state is SimState.READY

    states = ["+CPIN: SIM PIN"] * 4 + ["+CME ERROR: 14", "+CPIN: READY"]
    drive({**LOCKED, "AT+CPIN?": states, ENTER: ""}, scenario)


def test_a_ready_sim_gets_no_pin() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.unlock("1234")
        assert ENTER not in port.sent

    drive({**LOCKED, "AT+CPIN?": "+CPIN: READY"}, scenario)


def test_a_wrong_pin_is_never_sent_again_even_by_force() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(SimError, match="wrong"):
            await modem.unlock("1234")
        for force in (False, True):
            with pytest.raises(SimError, match="tried"):
                await modem.unlock("1234", force=force)
        assert port.sent.count(ENTER) == 1

    drive({**LOCKED, ENTER: "+CME ERROR: 16"}, scenario)


def test_another_pin_or_another_sim_may_be_tried() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(SimError, match="wrong"):
            await modem.unlock("1234")
        with pytest.raises(SimError, match="wrong"):
            await modem.unlock("4321")
        port.says["AT+QCCID"] = "+QCCID: 89860025128306012474"
        with pytest.raises(SimError, match="wrong"):
            await modem.unlock("1234")
        assert port.sent.count(ENTER) == 2

    drive({**LOCKED, ENTER: "+CME ERROR: incorrect password", 'AT+CPIN="4321"': "+CME ERROR: 16"}, scenario)


def test_the_last_try_is_used_by_force_only() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(SimError) as refusal:
            await modem.unlock("1234")
        assert (refusal.value.tries_left, refusal.value.remedy) == (1, Remedy.REPLACE_SIM)
        assert ENTER not in port.sent
        with pytest.raises(SimError, match="wrong"):
            await modem.unlock("1234", force=True)

    drive({**LOCKED, 'AT+QPINC="SC"': '+QPINC: "SC",1,10', ENTER: "+CME ERROR: 16"}, scenario)


@pytest.mark.parametrize("answer", ["+CPIN: SIM PUK", "+CPIN: PH-NET PIN", "+CME ERROR: 10", "+CME ERROR: 13"])
def test_no_pin_is_sent_where_none_can_help(answer: str) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(SimError):
            await modem.unlock("1234")
        assert ENTER not in port.sent

    drive({**LOCKED, "AT+CPIN?": answer}, scenario)


def test_an_unanswered_pin_counts_as_tried() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(CommandTimeoutError) as failure:
            await modem.unlock("1234")
        assert "1234" not in str(failure.value)
        with pytest.raises(SimError, match="tried"):
            await modem.unlock("1234")
        assert port.sent.count(ENTER) == 1

    drive({**LOCKED, ENTER: None}, scenario)


def test_a_cancelled_pin_counts_as_tried() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        unlocking = asyncio.create_task(modem.unlock("1234"))
        await asyncio.sleep(1)
        unlocking.cancel()
        await asyncio.gather(unlocking, return_exceptions=True)
        with pytest.raises(SimError, match="tried"):
            await modem.unlock("1234")
        assert port.sent.count(ENTER) == 1

    drive({**LOCKED, ENTER: None}, scenario)


def test_a_busy_sim_has_not_looked_at_the_pin() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(CommandError) as failure:
            await modem.unlock("1234")
        assert "1234" not in f"{failure.value} {failure.value.command}"
        port.says["AT+CPIN?"] = ["+CPIN: SIM PIN", "+CPIN: SIM PIN", "+CPIN: READY"]
        await modem.unlock("1234")
        assert port.sent.count(ENTER) == 2

    drive({**LOCKED, ENTER: ["+CME ERROR: 14", ""]}, scenario)


def test_a_wrong_pin_is_not_sent_again_by_the_next_driver() -> None:
    async def main() -> None:
        ports: list[Scripted] = []

        async def open_ports(_: Sequence[str]) -> Modem:
            ports.append(Scripted({**LOCKED, "ATI": "Quectel", ENTER: "+CME ERROR: 16"}))
            return open_driver(ports[-1])

        opener = RecoveringOpener(open_ports)
        for reason in ("wrong", "tried", "tried"):
            modem = await opener(["usb2"])
            with pytest.raises(SimError, match=reason):
                await modem.unlock("1234")
            await modem.close()
        assert [port.sent.count(ENTER) for port in ports] == [1, 0, 0]

    run_virtual(main())


class Disk:
    """What a process keeps for the next."""

    def __init__(self) -> None:
        self.kept: bytes | None = None

    def keep(self, data: bytes) -> None:
        self.kept = data

    def memory(self) -> PinMemory:
        return PinMemory(self.kept, self.keep)


def _next_life(disk: Disk, says: dict[str, Answer], *, match: str | None) -> int:
    """How often the PIN was sent by a process that starts with what the disk holds."""

    async def scenario(modem: Modem, port: Scripted) -> int:
        modem.remember_pins(disk.memory())
        if match is None:
            await modem.unlock("1234")
        else:
            with pytest.raises((SimError, CommandTimeoutError), match=match):
                await modem.unlock("1234")
        return port.sent.count(ENTER)

    return drive({**LOCKED, **says}, scenario)


def test_a_wrong_pin_is_not_sent_again_by_the_next_process() -> None:
    disk = Disk()
    assert _next_life(disk, {ENTER: "+CME ERROR: 16"}, match="wrong") == 1
    assert _next_life(disk, {ENTER: "+CME ERROR: 16"}, match="tried") == 0
    assert disk.kept is not None
    assert b'"1234"' not in disk.kept
    assert _next_life(disk, {ENTER: "", "AT+QCCID": "+QCCID: 89860025128306012474"}, match="after its PIN") == 1


def test_a_pin_whose_end_the_process_did_not_see_is_not_sent_again() -> None:
    disk = Disk()
    assert _next_life(disk, {ENTER: None}, match="no answer") == 1
    assert _next_life(disk, {ENTER: ""}, match="tried") == 0


def test_the_memory_is_kept_before_the_pin_is_sent() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        def full(_: bytes) -> None:
            raise OSError("disk full")

        modem.remember_pins(PinMemory(None, full))
        with pytest.raises(OSError, match="disk full"):
            await modem.unlock("1234")
        assert ENTER not in port.sent

    drive({**LOCKED, ENTER: ""}, scenario)


def test_a_right_pin_whose_ok_was_lost_is_right_again_once_the_sim_is_ready() -> None:
    disk = Disk()
    assert _next_life(disk, {ENTER: None}, match="no answer") == 1

    async def look(modem: Modem, _: Scripted) -> None:
        modem.remember_pins(disk.memory())
        assert (await modem.sim()).state is SimState.READY

    drive({**LOCKED, "AT+CPIN?": "+CPIN: READY"}, look)
    ready = ["+CPIN: SIM PIN", "+CPIN: SIM PIN", "+CPIN: READY"]
    assert _next_life(disk, {ENTER: "", "AT+CPIN?": ready}, match=None) == 1


def test_a_pin_that_was_wrong_stays_so_when_another_opened_the_sim() -> None:
    disk = Disk()
    assert _next_life(disk, {ENTER: None}, match="no answer") == 1

    async def look(modem: Modem, _: Scripted) -> None:
        modem.remember_pins(disk.memory())
        for state in (SimState.PIN, SimState.READY):
            assert (await modem.sim()).state is state

    drive({**LOCKED, "AT+CPIN?": ["+CPIN: SIM PIN", "+CPIN: READY"]}, look)
    assert _next_life(disk, {ENTER: ""}, match="tried") == 0


def test_where_the_tries_are_not_told_only_one_pin_is_tried_on_a_sim() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(SimError, match="wrong"):
            await modem.unlock("1234")
        with pytest.raises(SimError, match="does not tell"):
            await modem.unlock("4321")
        assert 'AT+CPIN="4321"' not in port.sent
        with pytest.raises(SimError, match="wrong"):
            await modem.unlock("4321", force=True)

    wrong = {ENTER: "+CME ERROR: 16", 'AT+CPIN="4321"': "+CME ERROR: 16"}
    drive({**LOCKED, 'AT+QPINC="SC"': "ERROR", **wrong}, scenario)


def test_and_that_says_nothing_of_another_sim() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        for number in ("8944100030012345678F", "89860025128306012474"):
            port.says["AT+QCCID"] = f"+QCCID: {number}"
            with pytest.raises(SimError, match="wrong"):
                await modem.unlock("1234")
        assert port.sent.count(ENTER) == 2

    drive({**LOCKED, 'AT+QPINC="SC"': "ERROR", ENTER: "+CME ERROR: 16"}, scenario)


def test_the_newest_sixty_four_are_remembered() -> None:
    memory = PinMemory()
    pins = [str(1000 + number) for number in range(65)]
    for pin in pins:
        memory.begin("8944100030000000001", pin)
    assert [pin for pin in pins if not memory.has_tried("8944100030000000001", pin)] == pins[:1]


def test_what_is_kept_does_not_tell_that_two_sims_have_one_pin() -> None:
    disk: list[bytes] = []
    memory = PinMemory(keep=disk.append)
    for iccid in ("8944100030000000001", "8944100030000000002"):
        memory.begin(iccid, "1234")
    (_, one, _), (_, other, _) = json.loads(disk[-1])
    assert one != other


def test_what_was_kept_is_bounded_and_junk_is_forgotten() -> None:
    disk = Disk()
    memory = disk.memory()
    for number in range(100):
        memory.wrong(f"89441000300000{number:05d}", "1234")
    assert not disk.memory().has_tried("8944100030000000000", "1234")
    assert disk.memory().has_tried("8944100030000000099", "1234")
    for junk in (b"", b"{", b"[1]", b'[["a","b","c"]]', b"\xff", b"7"):
        assert not PinMemory(junk).has_tried("8944100030000000099", "1234")


@pytest.mark.parametrize("pin", ["", "123", "123456789", "12a4", "\u0661\u0662\u0663\u0664"])
def test_what_is_no_pin_is_refused_before_anything_is_asked(pin: str) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(SimError):
            await modem.unlock(pin)
        assert not port.sent

    drive(LOCKED, scenario)
