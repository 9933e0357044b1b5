"""The channel on virtual time: deadlines, late answers, cancellation at every await, priorities, reboots, hang-ups."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from firmware_bridge.at.channel import Channel, Execute
from firmware_bridge.at.commands import (
    DIAL,
    Bare,
    Command,
    EventsLost,
    Prefixed,
    Priority,
    Prompted,
    Rebooted,
    Resynchronised,
    Unsolicited,
)
from firmware_bridge.at.resync import ResyncTiming
from firmware_bridge.at.validators import is_imsi
from firmware_bridge.errors import (
    CommandError,
    CommandTimeoutError,
    ModemRebootedError,
    ModemSilentError,
    PortLostError,
    ReplyError,
    UnsupportedError,
)

from .clock import run
from .ports import MemoryModem, well_behaved

CSQ = Command("AT+CSQ", Prefixed("+CSQ"), deadline_s=3.0)
IMSI = Command("AT+CIMI", Bare(is_imsi), deadline_s=3.0)
ATTACHED = Command("AT+CGATT?", Prefixed("+CGATT"), deadline_s=3.0)
SET = Command("AT+CFUN=1", deadline_s=3.0)


def on_channel(
    body: Callable[[Channel, MemoryModem], Awaitable[None]],
    answer: Callable[[str], str | None] = well_behaved,
    *,
    delay: Callable[[int, str], float] | None = None,
    echo: bool = False,
    in_step: bool = True,
) -> None:
    async def test() -> None:
        modem = MemoryModem(answer, delay=delay, echo=echo)
        channel = Channel(modem, in_step=in_step, first_probe=7)
        try:
            await body(channel, modem)
        finally:
            await channel.close()

    run(test())


@pytest.mark.parametrize("echo", [False, True])
def test_an_answer_one_millisecond_after_the_deadline_reaches_nobody(echo: bool) -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        with pytest.raises(CommandTimeoutError):
            await channel.execute(CSQ)
        assert (await channel.execute(IMSI)).text == "234304100000001"
        assert (await channel.execute(ATTACHED)).parameters == ("1",)
        assert await channel.next_event() == Resynchronised(1, 1)
        assert channel.counts.connection.late_replies == 1
        assert channel.counts.connection.resyncs == 1

    on_channel(body, delay=lambda number, line: 3.001 if number == 1 else 0.01, echo=echo)


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("stall", [3.5, 4.2, 6.9, 9.0, 14.0])
def test_a_modem_two_commands_late(echo: bool, stall: float) -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        with pytest.raises(CommandTimeoutError):
            await channel.execute(CSQ)
        await channel.synchronise()
        modem.stall(stall)
        with pytest.raises(CommandTimeoutError):
            await channel.execute(SET)
        reply = await channel.execute(ATTACHED)
        assert reply.lines == ("+CGATT: 1",)
        assert (await channel.execute(IMSI)).lines == ("234304100000001",)

    on_channel(body, delay=lambda number, line: stall if number == 1 else 0.005, echo=echo)


@pytest.mark.parametrize("lag", [1, 2, 3])
@pytest.mark.parametrize("echo", [False, True])
def test_a_modem_that_stays_behind_is_typed_loss_and_never_a_wrong_value(lag: int, echo: bool) -> None:
    owed: list[str] = []

    def lagging(line: str) -> str:
        owed.append(well_behaved(line))
        return owed.pop(0) if len(owed) > lag else ""

    async def body(channel: Channel, modem: MemoryModem) -> None:
        for _ in range(3):
            for command in (CSQ, IMSI, ATTACHED):
                with pytest.raises((ModemSilentError, CommandTimeoutError)):
                    await channel.execute(command)

    on_channel(body, lagging, echo=echo)


def test_silence_is_told_after_bounded_probes_and_a_later_command_tries_again() -> None:
    deaf = True

    async def body(channel: Channel, modem: MemoryModem) -> None:
        nonlocal deaf
        with pytest.raises(CommandTimeoutError):
            await channel.execute(CSQ)
        assert (channel.counts.timeouts, channel.counts.cancelled, channel.counts.silent) == (1, 0, 0)
        with pytest.raises(ModemSilentError) as caught:
            await channel.execute(CSQ)
        assert (channel.counts.timeouts, channel.counts.cancelled, channel.counts.silent) == (1, 0, 1)
        assert caught.value.probes == len(ResyncTiming().windows_s)
        assert not channel.healthy
        deaf = False
        assert (await channel.execute(CSQ)).parameters == ("21", "99")
        assert channel.healthy

    on_channel(body, lambda line: None if deaf else well_behaved(line))


def test_a_fresh_port_is_proved_before_its_first_command() -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        modem.say("\r\n+CSQ: 1,99\r\n\r\nOK\r\n")  # the answer somebody else is owed
        assert (await channel.execute(CSQ)).parameters == ("21", "99")

    on_channel(body, in_step=False)


def test_a_probe_that_something_else_answered_is_given_half_a_second_more() -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        asking = asyncio.create_task(channel.execute(CSQ))
        await asyncio.sleep(0.1)
        modem.say("\r\nOK\r\n")
        for seconds, probes in ((0.45, 1), (0.1, 2)):
            await asyncio.sleep(seconds)
            assert len(modem.lines) == probes
        asking.cancel()

    on_channel(body, lambda _: None, in_step=False)


STEPS = 40


def test_cancelled_at_every_step_the_channel_stays_usable() -> None:
    """The coroutine is cancelled after 0, 1, 2 … trips through the loop, so at each of its awaits."""
    prompted = Command("AT+CMGS=2", Prompted("0011", Prefixed("+CMGS")), deadline_s=5)

    def answer(line: str) -> str | None:
        if line.startswith("AT+CMGS="):
            return "\r\n> "
        if "\x1a" in line:
            return None
        return well_behaved(line)

    for command in (CSQ, IMSI, SET, prompted):
        for steps in range(STEPS):

            async def body(
                channel: Channel, modem: MemoryModem, command: Command = command, steps: int = steps
            ) -> None:
                task = asyncio.create_task(channel.execute(command))
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled() or steps
                assert (await channel.execute(IMSI)).text == "234304100000001"
                assert (await channel.execute(ATTACHED)).parameters == ("1",)

            on_channel(body, answer, delay=lambda number, line: 0.01)


def test_cancelled_during_the_proof_the_next_caller_goes_on() -> None:
    for steps in range(STEPS):

        async def body(channel: Channel, modem: MemoryModem, steps: int = steps) -> None:
            with pytest.raises(CommandTimeoutError):
                await channel.execute(CSQ)
            task = asyncio.create_task(channel.execute(IMSI))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert (await channel.execute(ATTACHED)).lines == ("+CGATT: 1",)

        on_channel(body, delay=lambda number, line: 3.4 if number == 1 else 0.01)


def test_a_cancelled_waiter_gives_its_turn_away() -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        tasks = [asyncio.create_task(channel.execute(CSQ)) for _ in range(6)]
        await asyncio.sleep(0)
        for task in tasks[1::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(result, asyncio.CancelledError) for result in done] == [False, True] * 3

    on_channel(body, delay=lambda number, line: 0.1)


def test_urgent_commands_go_before_waiting_ones() -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(channel.execute(CSQ))
            await asyncio.sleep(0)
            group.create_task(channel.execute(ATTACHED, priority=Priority.BACKGROUND))
            group.create_task(channel.execute(IMSI))
            group.create_task(channel.execute(SET, priority=Priority.URGENT))
        assert modem.lines == ["AT+CSQ", "AT+CFUN=1", "AT+CIMI", "AT+CGATT?"]

    on_channel(body, delay=lambda number, line: 0.1)


def test_the_wait_for_the_turn_is_not_in_the_deadline() -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        replies = await asyncio.gather(*[channel.execute(CSQ) for _ in range(5)])
        assert len(replies) == 5

    on_channel(body, delay=lambda number, line: 2.5)


ERRORS = [
    ("\r\nERROR\r\n", CommandError, None),
    ("\r\n+CME ERROR: 14\r\n", CommandError, 14),
    ("\r\n+CME ERROR: 4\r\n", UnsupportedError, 4),
    ("\r\n+CME ERROR: operation not supported\r\n", UnsupportedError, 4),
    ("\r\nCOMMAND NOT SUPPORT\r\n", UnsupportedError, None),
    ("\r\nNA\r\n", UnsupportedError, None),
]


@pytest.mark.parametrize(("answer", "error", "code"), ERRORS)
def test_failures_are_typed_and_leave_the_channel_in_step(
    answer: str, error: type[CommandError], code: int | None
) -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        with pytest.raises(error) as caught:
            await channel.execute(SET)
        assert caught.value.code == code
        assert type(caught.value) is error
        assert channel.healthy

    on_channel(body, lambda line: answer)


def test_ok_without_the_line_is_a_reply_error_and_the_place_is_proved_before_the_next() -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        with pytest.raises(ReplyError):
            await channel.execute(CSQ)
        assert (await channel.execute(IMSI)).text == "234304100000001"

    on_channel(body, lambda line: "\r\nOK\r\n" if line == "AT+CSQ" else well_behaved(line))


def test_events_come_in_order_and_end_with_the_port() -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        modem.say('\r\n+CREG: 5\r\n\r\nRDY\r\n\r\n+CMTI: "ME",3\r\n')
        seen: list[object] = []

        async def watch() -> None:
            async for event in channel.events():
                seen.append(event)
                if len(seen) == 3:
                    modem.hang_up()

        with pytest.raises(PortLostError):
            await watch()
        assert [getattr(event, "name", None) or type(event).__name__ for event in seen] == [
            "+CREG",
            "Rebooted",
            "+CMTI",
        ]

    on_channel(body)


def test_unread_events_are_bounded_and_their_loss_is_told() -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        for number in range(600):
            modem.say(f'\r\n+CMTI: "ME",{number}\r\n')
        await channel.execute(CSQ)
        assert await channel.next_event() == EventsLost(600 - 256)
        first = await channel.next_event()
        assert isinstance(first, Unsolicited)
        assert first.parameters == ("ME", str(600 - 256))
        assert channel.lost_events == 600 - 256

    on_channel(body)


def test_a_hang_up_fails_whoever_waits() -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        tasks = [asyncio.create_task(channel.execute(CSQ)) for _ in range(3)]
        reader = asyncio.create_task(channel.next_event())
        await asyncio.sleep(0.5)
        modem.hang_up()
        results = await asyncio.gather(*tasks, reader, return_exceptions=True)
        assert [type(result) for result in results] == [PortLostError] * 4

    on_channel(body, lambda line: None)


def test_a_recognised_reboot_replays_the_init_before_the_next_command() -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        async def init(execute: Execute) -> None:
            await execute(Command("ATE0", deadline_s=1))
            await execute(Command("AT+CMEE=1", deadline_s=1))

        channel.set_init(init)
        await channel.execute(CSQ)
        assert modem.lines == ["AT+CSQ"]
        modem.say("\0\r\nRDY\r\n")
        await asyncio.sleep(0.1)
        await channel.execute(CSQ)
        await channel.execute(IMSI)
        assert modem.lines == ["AT+CSQ", "ATE0", "AT+CMEE=1", "AT+CSQ", "AT+CIMI"]
        assert await channel.next_event() == Rebooted("RDY")

    on_channel(body)


def test_the_init_is_tried_again_when_the_booting_modem_swallows_it() -> None:
    answers = iter([None, None])

    def booting(line: str) -> str | None:
        return next(answers, well_behaved(line))

    async def body(channel: Channel, modem: MemoryModem) -> None:
        async def init(execute: Execute) -> None:
            await execute(Command("ATE0", deadline_s=1))

        channel.set_init(init)
        modem.say("\r\nRDY\r\n")
        await asyncio.sleep(0.1)
        assert (await channel.execute(CSQ)).parameters == ("21", "99")
        assert modem.lines.count("ATE0") == 2
        assert channel.counts.init_failures == 1

    on_channel(body, booting)


def test_a_modem_that_starts_anew_with_every_init_holds_no_command_up_for_ever() -> None:
    runs = 0

    def answer(line: str) -> str:
        return well_behaved(line) + ("\r\nAPP RDY\r\n" if line == "ATE0" else "")

    async def body(channel: Channel, modem: MemoryModem) -> None:
        async def init(execute: Execute) -> None:
            nonlocal runs
            runs += 1
            await execute(Command("ATE0"))
            await asyncio.sleep(0.1)

        channel.set_init(init)
        modem.say("\r\nRDY\r\n")
        await asyncio.sleep(0.1)
        async with asyncio.timeout(20):
            assert (await channel.execute(CSQ)).parameters == ("21", "99")
        assert runs == 3

    on_channel(body, answer)


def test_a_short_deadline_counts_after_a_long_one() -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        loop = asyncio.get_running_loop()
        await channel.execute(Command("AT+CFUN=1", deadline_s=180.0))
        modem.stall(1000.0)
        start = loop.time()
        with pytest.raises(CommandTimeoutError):
            await channel.execute(CSQ)
        assert loop.time() - start == pytest.approx(3.0, abs=0.01)

    on_channel(body)


@pytest.mark.parametrize("evidence", ["RDY", "^SYSSTART"])
def test_a_command_in_flight_at_a_reboot_is_told_so_at_once(evidence: str) -> None:
    silent = True

    async def body(channel: Channel, modem: MemoryModem) -> None:
        nonlocal silent
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(channel.execute(Command("AT+COPS=?", Prefixed("+COPS"))))
        await asyncio.sleep(1)
        written = loop.time()
        modem.say(f"\r\n{evidence}\r\n")
        with pytest.raises(ModemRebootedError) as raised:
            await task
        assert loop.time() - written < 0.01
        assert (raised.value.command, raised.value.evidence) == ("AT+COPS=?", evidence)
        assert channel.counts.timeouts == 0
        assert await channel.next_event() == Rebooted(evidence)
        silent = False
        assert (await channel.execute(Command("AT+CSQ", Prefixed("+CSQ")))).parameters == ("21", "99")

    on_channel(body, lambda line: None if silent else well_behaved(line))


def test_a_command_in_flight_at_a_later_word_of_the_start_may_still_be_answered() -> None:
    async def body(channel: Channel, modem: MemoryModem) -> None:
        loop = asyncio.get_running_loop()
        answered = asyncio.create_task(channel.execute(Command("AT+COPS?", Prefixed("+COPS"))))
        await asyncio.sleep(1)
        modem.say("\r\nAPP RDY\r\n\r\n+COPS: 0\r\n\r\nOK\r\n")
        assert (await answered).parameters == ("0",)
        unanswered = asyncio.create_task(channel.execute(Command("AT+COPS=?", Prefixed("+COPS"))))
        await asyncio.sleep(1)
        modem.say("\r\nAPP RDY\r\n")
        with pytest.raises(CommandTimeoutError):
            await unanswered
        assert loop.time() < 10

    on_channel(body, lambda line: None)


def test_a_prompt_gets_its_payload_and_an_abandoned_one_is_left_by_escape() -> None:
    def answer(line: str) -> str | None:
        if line == "AT+CMGS=2":
            return "\r\n> "
        return well_behaved(line.removeprefix("0011\x1a"))

    async def body(channel: Channel, modem: MemoryModem) -> None:
        with pytest.raises(CommandTimeoutError):
            await channel.execute(Command("AT+CMGS=2", Prompted("0011"), deadline_s=2))
        assert modem.written.endswith(b"0011\x1a")
        await channel.execute(CSQ)
        assert b"\x1bAT+C" in modem.written

    on_channel(body, answer)


def test_data_mode_is_left_before_the_next_command() -> None:
    online = False

    def answer(line: str) -> str | None:
        nonlocal online
        if line == "ATD*99#":
            online = True
            return "\r\nCONNECT\r\n"
        if line.startswith("+++"):
            online = False
            return "\r\nOK\r\n" + well_behaved(line.removeprefix("+++"))
        return None if online else well_behaved(line)

    async def body(channel: Channel, modem: MemoryModem) -> None:
        reply = await channel.execute(Command("ATD*99#", DIAL))
        assert reply.final.kind == "CONNECT"
        began = asyncio.get_running_loop().time()
        asking = asyncio.create_task(channel.execute(CSQ))
        for seconds, written in ((0.99, b"ATD*99#\r"), (1.1, b"ATD*99#\r+++"), (2.05, b"ATD*99#\r+++")):
            await asyncio.sleep(began + seconds + 0.01 - asyncio.get_running_loop().time())
            assert modem.written == written, "S12: a second of silence before and behind"
        assert (await asking).parameters == ("21", "99")

    on_channel(body, answer)


def test_a_registration_line_after_a_timed_out_read_is_still_an_event() -> None:
    from firmware_bridge.at.forms import is_registration_read

    def answer(line: str) -> str | None:
        return None if line == "AT+CEREG?" else well_behaved(line)

    async def body(channel: Channel, modem: MemoryModem) -> None:
        read = Command("AT+CEREG?", Prefixed("+CEREG", form=is_registration_read), deadline_s=1)
        with pytest.raises(CommandTimeoutError):
            await channel.execute(read)
        modem.say('\r\n+CEREG: 5\r\n\r\n+CEREG: 2,1,"1A2B","01234567",7\r\n\r\nOK\r\n')
        await channel.execute(CSQ)
        event = await channel.next_event()
        assert isinstance(event, Unsolicited)
        assert event.line == "+CEREG: 5"
        assert await channel.next_event() == Resynchronised(1, 1)

    on_channel(body, answer)
