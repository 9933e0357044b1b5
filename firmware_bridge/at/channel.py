"""The one place of `at` that knows asyncio: a port, its commands one at a time, and its events in order."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from firmware_bridge.at.commands import ChannelEvent, Command, Priority, Reply

Execute: TypeAlias = Callable[[Command], Awaitable[Reply]]
InitHook: TypeAlias = Callable[[Execute], Awaitable[None]]


class Channel:
    """`Channel(transport, urcs=UrcTable(...))`, made inside a running loop; owns the transport from then on.

    await channel.execute(Command("AT+CSQ", Prefixed("+CSQ"))) -> Reply    one command in flight, others wait their turn
    async for event in channel.events(): ...    Unsolicited | Rebooted | Resynchronised | EventsLost, in order
    channel.set_init(hook)    after a recognised reboot `await hook(execute)` runs before the next waiting command
    await channel.synchronise()    prove the place in the conversation (also done by itself after a timeout or cancel)
    await channel.close()    idempotent
    """

    async def execute(self, command: Command, *, priority: Priority = Priority.NORMAL) -> Reply:
        """Send and wait for the final result; the reply always ended in OK or CONNECT.

        Safe to cancel at any await: a command that was already written is then treated like one that timed out.

        Raises:
            CommandError: a failure result (code and text in it); UnsupportedError for an unknown command.
            CommandTimeoutError: no final result in time; the effect is unknown.
            ReplyError: OK came without the declared lines.
            ModemSilentError: the port could not be resynchronised before this command, which was not sent.
            PortLostError: the port hung up.
        """
        raise NotImplementedError

    def events(self) -> AsyncIterator[ChannelEvent]:
        """The ordered, bounded stream of events, for one reader; ends by raising PortLostError at hang-up."""
        raise NotImplementedError

    def set_init(self, hook: InitHook) -> None:
        """What to run on this port after a recognised reboot, before anything else (ATE0, +CMEE=1, +CREG=2 …)."""
        raise NotImplementedError

    async def synchronise(self) -> None:
        """Prove with a probe that the next answer is the next command's. Raises ModemSilentError, PortLostError."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close the port; whoever waits gets PortLostError."""
        raise NotImplementedError
