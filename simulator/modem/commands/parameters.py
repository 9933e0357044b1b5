"""Settings that a personality lists as data: stored, read back, bounded, and lost at a reboot."""

from __future__ import annotations

import re

from simulator.modem.answers import Answer
from simulator.modem.personality import Parameter, Personality
from simulator.modem.results import Cme
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request


def add_parameters(commands: Commands, personality: Personality) -> None:
    """Give each listed setting its read, set and test forms."""
    for name, parameter in personality.parameters.items():
        _add(commands, name, parameter)


def _add(commands: Commands, name: str, parameter: Parameter) -> None:
    @commands.on(name, Op.READ)
    def read(request: Request) -> Answer:
        return (f"{name}: " + parameter.form.format(_held(request, parameter).get(name, parameter.default)),)

    @commands.on(name, Op.SET)
    def store(request: Request) -> Answer:
        if not within(parameter.values, request.args):
            raise Cme(50)
        _held(request, parameter)[name] = request.call.raw
        return None

    @commands.on(name, Op.TEST)
    def test(_request: Request) -> Answer:
        return (f"{name}: {parameter.values}",) if parameter.values else None

    @commands.on(name, Op.EXECUTE)
    def execute(request: Request) -> None:
        _held(request, parameter)[name] = parameter.default


def _held(request: Request, parameter: Parameter) -> dict[str, str]:
    return request.port.settings.parameters if parameter.per_port else request.modem.volatile.parameters


def within(values: str, args: tuple[str | None, ...]) -> bool:
    """Whether numbers fit a value list such as `(0-2),(0,1)`; what is no number list is not checked."""
    groups = re.findall(r"\(([^()]*)\)", values)
    return all(_fits(group, arg) for group, arg in zip(groups, args, strict=False) if arg)


def _fits(group: str, arg: str) -> bool:
    parts = [part.strip().strip('"') for part in group.split(",")]
    if not all(re.fullmatch(r"-?\d+(-\d+)?", part) for part in parts):
        return True
    if not re.fullmatch(r"-?\d+", arg):
        return False
    for part in parts:
        low, _, high = part.partition("-") if not part.startswith("-") else (part, "", "")
        if int(low) <= int(arg) <= int(high or low):
            return True
    return False
