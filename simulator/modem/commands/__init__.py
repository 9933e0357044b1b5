"""What each command does: generic ones by area (TS 27.007, TS 27.005, V.250) and one module for each vendor's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from simulator.modem.commands import (
    basic,
    huawei,
    identity,
    network,
    packet,
    phonebook,
    power,
    quectel,
    security,
    simcom,
    sms,
    supplementary,
    zte,
)
from simulator.modem.commands.parameters import add_parameters
from simulator.modem.habits import Habits
from simulator.modem.personality import Personality, load
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Table

if TYPE_CHECKING:
    from simulator.modem.device import SimulatedModem

_GENERIC = (basic, identity, security, network, packet, phonebook, power, sms, supplementary)


_VENDORS: Mapping[str, tuple[Commands, type[Habits]]] = {
    "quectel": (quectel.COMMANDS, quectel.VendorHabits),
    "simcom": (simcom.COMMANDS, simcom.VendorHabits),
    "huawei": (huawei.COMMANDS, huawei.VendorHabits),
    "zte": (zte.COMMANDS, zte.VendorHabits),
}
_SUFFIXES = (("=?", Op.TEST), ("?", Op.READ))


@cache
def _table_by_name(name: str) -> Table:
    return _build(load(name))


def table_for(personality: Personality) -> Table:
    """Settings, then generic commands, then fixed replies of the personality's file, then the vendor's own."""
    return _table_by_name(personality.name)


def _build(personality: Personality) -> Table:
    commands = Commands()
    add_parameters(commands, personality)
    for module in _GENERIC:
        commands.entries.update(module.COMMANDS.entries)
    for command, lines in personality.replies.items():
        suffix, op = next(((suffix, op) for suffix, op in _SUFFIXES if command.endswith(suffix)), ("", Op.EXECUTE))
        commands.fixed(command.removesuffix(suffix), op, lines)
    commands.entries.update(_VENDORS[personality.vendor][0].entries)
    for name in personality.unsupported:
        for op in Op:
            commands.entries.pop((name, op), None)
    return commands.entries


def habits_for(modem: SimulatedModem) -> Habits:
    """The vendor's way of speaking unasked."""
    return _VENDORS[modem.personality.vendor][1](modem)
