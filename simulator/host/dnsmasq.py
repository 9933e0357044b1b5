"""The stand-in for dnsmasq(8): `--test --conf-file=F`, `--keep-in-foreground --conf-file=F --pid-file=P`, `--version`.

It really answers DNS on the configured addresses: refused names, pinned names and the witness record by its own
configuration, everything else from `answers.json` in the state directory or from the configured servers. While
`dnsmasq.dies` lies in the state directory it ends at once, as if out of memory.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from simulator.host.dns import AAAA, REFUSED, A, Question, Reply, write_reply
from simulator.host.dns_server import exchange, refuse_service, serve_dns
from simulator.host.dnsmasq_config import (
    FILE_TROUBLE,
    MEMORY_TROUBLE,
    NETWORK_TROUBLE,
    Configuration,
    ConfigurationError,
    parse_configuration,
)

ANSWERS_FILE: Final = "answers.json"
DIES_FILE: Final = "dnsmasq.dies"
# The process id of the running stand-in, for whoever plays faults; --pid-file is the agent's.
RUNNING_FILE: Final = "dnsmasq.running"
NOT_PLAYED: Final = 64


def read_configuration(path: str) -> Configuration:
    """Read and parse a configuration file. Raises ConfigurationError in dnsmasq's words."""
    try:
        with Path(path).open(encoding="utf-8") as lines:
            return parse_configuration(lines, path)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}", FILE_TROUBLE) from None


def main(state_dir: Path, argv: Sequence[str]) -> int:
    """Run as an executable; returns the exit code."""
    try:
        return _dispatch(state_dir, list(argv))
    except ConfigurationError as error:
        sys.stderr.write(f"\n{error}\n")
        return error.code


def _dispatch(state_dir: Path, argv: list[str]) -> int:
    match argv:
        case ["--version"]:
            sys.stdout.write("Dnsmasq version 2.90  Copyright (c) 2000-2024 Simon Kelley\n")
            return 0
        case ["--test", conf] if conf.startswith("--conf-file="):
            read_configuration(conf.partition("=")[2])
            sys.stderr.write("dnsmasq: syntax check OK.\n")
            return 0
        case ["--keep-in-foreground", conf, pid] if conf.startswith("--conf-file=") and pid.startswith("--pid-file="):
            configuration = read_configuration(conf.partition("=")[2])
            return asyncio.run(_serve(state_dir, configuration, Path(pid.partition("=")[2])))
        case _:
            sys.stderr.write(f"stand-in dnsmasq: not in the conformance table: {' '.join(argv)}\n")
            return NOT_PLAYED


async def _serve(state_dir: Path, configuration: Configuration, pid_file: Path) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # SIGHUP clears dnsmasq's cache and does not read the configuration again; there is no cache here.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    if (state_dir / DIES_FILE).exists():
        raise ConfigurationError("failed to allocate 1048576 bytes", MEMORY_TROUBLE)
    addresses = configuration.listen or ["127.0.0.1"]
    answers = _read_answers(state_dir / ANSWERS_FILE)

    async def answer(question: Question, data: bytes) -> bytes | None:
        return await answer_question(configuration, answers, question, data)

    try:
        async with serve_dns(addresses, configuration.port, answer):
            with _pid_files(pid_file, state_dir / RUNNING_FILE):
                await stop.wait()
    except OSError as error:
        message = f"failed to create listening socket for {addresses[0]}: {os.strerror(error.errno or 0)}"
        raise ConfigurationError(message, NETWORK_TROUBLE) from None
    return 0


async def answer_question(
    configuration: Configuration, answers: Mapping[str, str], question: Question, data: bytes
) -> bytes | None:
    """Answer by the configuration, by the known answers, or by asking upstream (None: no answer came)."""
    reply, servers = configuration.decide(question.name, question.kind), configuration.servers_of(question.name)
    # The known answers stand for the standard servers: a name with a server of its own has no other.
    if servers is configuration.servers and (reply is None or reply.rcode == REFUSED):
        reply = known_answer(answers, question) if question.name in answers else reply
    if reply is not None:
        return write_reply(question, reply)
    for server in servers:
        forwarded = await exchange(server, data)
        if forwarded is not None:
            return forwarded
    return refuse_service(question) if not servers else None


def known_answer(answers: Mapping[str, str], question: Question) -> Reply:
    """The reply from a table of names; a name it knows has no other record than that address."""
    address = answers[question.name]
    right = question.kind == (AAAA if ":" in address else A)
    return Reply(addresses=(address,) if right else ())


def _read_answers(path: Path) -> dict[str, str]:
    try:
        answers = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return {str(name).lower(): str(address) for name, address in answers.items()}


@contextlib.contextmanager
def _pid_files(*paths: Path) -> Iterator[None]:
    for path in paths:
        path.write_text(f"{os.getpid()}\n")
    try:
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
