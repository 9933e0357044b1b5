"""What may be done to a running world: the scenario's events, and faults injected, listed and cleared by hand."""

from typing import Any

import msgspec

from simulator.control.world import World
from simulator.faults import make_fault
from simulator.scenario import (
    CarryTraffic,
    Event,
    JumpClock,
    MoveCells,
    PowerButton,
    SendSms,
    SetSimState,
    SwapSim,
    TouchLine,
)


class _Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """One command on the control socket."""


class ShowState(_Command, frozen=True, kw_only=True, tag="state"):
    """Tell how the world stands."""


class ListFaults(_Command, frozen=True, kw_only=True, tag="faults"):
    """List the faults that are pinned up."""


class InjectFault(_Command, frozen=True, kw_only=True, tag="inject"):
    """Let a fault begin now."""

    kind: str
    point: str | None = None
    for_s: float | None = None
    times: int | None = None
    given: dict[str, int | float | str | bool] = msgspec.field(name="with", default_factory=dict)


class ClearFaults(_Command, frozen=True, kw_only=True, tag="clear"):
    """Take a fault down, or all of them (`id` None)."""

    id: int | None = None


Command = Event | ShowState | ListFaults | InjectFault | ClearFaults


def perform(world: World, command: Command) -> dict[str, Any]:
    """Carry out a command and tell its result. Raises FaultError for a fault that cannot be."""
    match command:
        case ShowState():
            return describe(world)
        case ListFaults():
            return {"faults": _faults(world)}
        case InjectFault():
            fault = make_fault(
                command.kind, point=command.point, parameters=command.given, for_s=command.for_s, times=command.times
            )
            return {"id": world.inject(fault)}
        case ClearFaults(id=None):
            return {"cleared": world.board.clear_all()}
        case ClearFaults(id=number) if number is not None:
            return {"cleared": int(world.board.clear(number))}
        case _:
            return _do(world, command)


def _do(world: World, event: Command) -> dict[str, Any]:
    modem = world.modem
    match event:
        case PowerButton():
            return {"on": world.press_power_button()}
        case SendSms():
            modem.deliver_sms(event.sender, event.text)
            world.trace("sms", length=len(event.text))
        case MoveCells():
            modem.move_cells(event.path_loss_db)
            world.trace("moved", path_loss_db=event.path_loss_db)
        case CarryTraffic():
            modem.bearers.traffic.carry(event.tx_bytes, event.rx_bytes)
            world.trace("traffic", tx_bytes=event.tx_bytes, rx_bytes=event.rx_bytes)
        case SwapSim():
            world.swap_sim(event)
        case TouchLine():
            _touch_line(world, event.what)
        case SetSimState():
            world.want_sim_state(event.state)
        case JumpClock():
            world.clock.jump(event.seconds)
            world.trace("clock_jump", seconds=event.seconds)
    return {}


def _touch_line(world: World, what: str) -> None:
    world.trace("line", happens=what)
    match what:
        case "drop":
            world.line.drop()
        case "die":
            world.line.die()
        case "recover":
            world.line.recover()
        case _:
            world.line.restart_router(asked_by_us=what == "our_restart")


def describe(world: World) -> dict[str, Any]:
    """The world in a few facts; identifiers stay out."""
    modem, registration = world.modem, world.modem.registration
    sent, received = modem.bearers.traffic.totals(modem.agenda.now)
    return {
        "t": round(world.clock.now(), 3),
        "scenario": world.scenario.title,
        "modem": {
            "personality": modem.personality.name,
            "powered": modem.powered,
            "sim": modem.sim_status(),
            "registration": registration.stat.name.lower(),
            "cause": registration.cause,
            "plmn": registration.cell.plmn if registration.cell else None,
            "bearers": sorted(modem.bearers.active),
            "tx_bytes": sent,
            "rx_bytes": received,
        },
        "line": {"sync": world.line.synchronised, "ppp": world.line.connected},
        "faults": _faults(world),
    }


def _faults(world: World) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "kind": fault.kind.value,
            "point": fault.point,
            "with": dict(fault.parameters),
            "until": None if fault.for_s is None else fault.at_s + fault.for_s,
        }
        for number, fault in world.board.pinned()
    ]
