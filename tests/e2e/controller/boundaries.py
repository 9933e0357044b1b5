"""`hub-controller` that kills itself at a boundary of its outside work: `python -m tests.e2e.controller.boundaries`.

Before each boundary the file that MINIHUB_TEST_BOUNDARY names is read; if it names this boundary (`noun:place`), it is
removed and the process dies as by a power cut, so that the next start does nothing of the kind.
"""

import functools
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from controller.carrier.tmf640 import Tmf640Carrier
from controller.cli import main as run_controller
from controller.link.gmqtt import _Link
from controller.notify.adapters import OutboxNotifier
from controller.notify.courier import FileCourier
from controller.services.database import Database

PLACES = ("before the call", "after the effect", "before the record")
# What makes the call of each noun, and the transactions that record what it did.
CALLS: dict[str, tuple[Any, str]] = {
    "sims": (Tmf640Carrier, "ask"),
    "notices": (OutboxNotifier, "send"),
    "hubs": (_Link, "publish"),
    "dispatch": (FileCourier, "order"),
}
RECORDS = {"sims": {"record_answers"}, "notices": {"record"}, "hubs": {"published"}, "dispatch": {"record_taken"}}
MODULES = {"sim_records": "sims", **{noun: noun for noun in RECORDS}}
BOUNDARIES = [f"{noun}:{place}" for noun in CALLS for place in PLACES]


def die(boundary: str) -> None:
    """Die, if it is this boundary's turn."""
    turn = Path(os.environ["MINIHUB_TEST_BOUNDARY"])
    if turn.exists() and turn.read_text() == boundary:
        turn.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def plant(noun: str, owner: Any, name: str) -> None:
    """Look at the boundaries around one call."""
    call: Callable[..., Awaitable[Any]] = getattr(owner, name)

    @functools.wraps(call)
    async def called(*args: Any, **kwargs: Any) -> Any:
        die(f"{noun}:before the call")
        answer = await call(*args, **kwargs)
        die(f"{noun}:after the effect")
        return answer

    setattr(owner, name, called)


def plant_records() -> None:
    """Look at the boundaries before the transactions that record what a call did."""
    run = Database.run

    @functools.wraps(run)
    async def recorded(self: Database, f: Callable[..., Any], **kwargs: Any) -> Any:
        for each in (f, *(item[0] for item in kwargs.get("items", ()) if isinstance(item, tuple))):
            noun = MODULES.get(each.__module__.rpartition(".")[2], "")
            if each.__name__ in RECORDS.get(noun, ()):
                die(f"{noun}:before the record")
        return await run(self, f, **kwargs)

    Database.run = recorded  # type: ignore[method-assign]  # planted


def main() -> None:
    """Plant, then be hub-controller."""
    for noun, (owner, name) in CALLS.items():
        plant(noun, owner, name)
    plant_records()
    run_controller()


if __name__ == "__main__":
    main()
