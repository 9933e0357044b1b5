"""`hub-sim modem`: one simulated modem on pseudo-terminals and sockets."""

import asyncio
import json
from datetime import UTC, datetime
from random import Random, SystemRandom
from typing import Annotated

import typer

from simulator.cli.running import run_until_stopped
from simulator.clock import LoopClock
from simulator.modem import SimulatedModem, load, names
from simulator.modem.attach_client import AttachClient
from simulator.modem.gsup_client import GsupClient
from simulator.modem.pty import PtyHub
from simulator.modem.wire import Listen, UsageError, Wire, parse_listen
from simulator.scenario import ModemPart, load_scenario
from simulator.uicc import PinState, Subscription, Uicc

_CARD = ModemPart()


def _card(iccid: str, imsi: str, msisdn: str, pin: str | None) -> Uicc:
    for name, value, lengths in (("iccid", iccid, range(18, 21)), ("imsi", imsi, range(14, 16))):
        if not value.isdecimal() or len(value) not in lengths:
            wanted = f"{lengths.start} to {lengths.stop - 1}"
            raise UsageError(f"--{name} {value!r} is not one", remedy=f"it has {wanted} digits")
    card = Uicc(Subscription(iccid=iccid, imsi=imsi, msisdn=msisdn))
    if pin is not None:
        if not pin.isdecimal() or not 4 <= len(pin) <= 8:
            raise UsageError("--pin is not one", remedy="a PIN has 4 to 8 digits")
        card.pin1 = PinState(pin, card.pin1.puk, enabled=True)
    return card


def _network(url: str) -> AttachClient | GsupClient:
    if not url.startswith("gsup://"):
        return AttachClient(url)
    host, _, port = url.removeprefix("gsup://").rstrip("/").rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"--carrier-url {url!r} names no register", remedy="write gsup://HOST:PORT")
    return GsupClient(host, int(port))


def modem(
    listen: Annotated[list[str], typer.Option(help="pty:PATH, unix:PATH or tcp:HOST:PORT; ,role=diag at will.")],
    personality: Annotated[str, typer.Option(help=f"One of {', '.join(names())}.")] = "quectel-ec25",
    seed: Annotated[int | None, typer.Option(help="The same seed plays the same run.")] = None,
    carrier_url: Annotated[
        str | None, typer.Option(help="Ask it before each attach: http://… or gsup://HOST:PORT.")
    ] = None,
    time_factor: Annotated[float, typer.Option(min=0.001, help="How much faster than real time.")] = 1.0,
    iccid: Annotated[str, typer.Option(help="The card's ICCID.")] = _CARD.iccid,
    imsi: Annotated[str, typer.Option(help="The card's IMSI.")] = _CARD.imsi,
    msisdn: Annotated[str, typer.Option(help="The card's number.")] = _CARD.msisdn,
    imei: Annotated[str | None, typer.Option(help="15 digits; otherwise one from the personality's TAC.")] = None,
    pin: Annotated[str | None, typer.Option(help="The card asks for this PIN.")] = None,
    sim: Annotated[bool, typer.Option(help="Whether a card is in the slot.")] = True,
    start: Annotated[datetime | None, typer.Option(help="UTC the network tells at the start; otherwise now.")] = None,
    boot: Annotated[bool, typer.Option(help="Play the boot; --no-boot starts up and running.")] = True,
    scenario: Annotated[str | None, typer.Option(help="Play this scenario on the modem and card it names.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Run one modem until Ctrl-C. Prints its seed, identity and addresses."""
    listens = tuple(parse_listen(entry) for entry in listen)
    chosen_seed = SystemRandom().getrandbits(32) if seed is None else seed
    if scenario is not None:
        _play(scenario, listen, chosen_seed, time_factor, carrier_url, as_json=json_output)
        return
    made = load(personality)
    if imei is not None and (not imei.isdecimal() or len(imei) != 15):
        raise UsageError(f"--imei {imei!r} is not one", remedy="it has 15 digits")
    card = _card(iccid, imsi, msisdn, pin) if sim else None
    began = datetime.now(UTC) if start is None else start.replace(tzinfo=UTC)

    async def serve(stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop.time, start=began, factor=time_factor)
        hub = PtyHub(loop)
        client = _network(carrier_url) if carrier_url else None
        device = SimulatedModem(
            made, clock=clock, random=Random(chosen_seed), card=card, network=client, imei=imei,
            recheck_s=30.0 if client else 3240.0,
        )  # fmt: skip
        if isinstance(client, GsupClient):
            client.on_detach = device.detach
        try:
            async with Wire(device, clock, listens, hub=hub) as wire:
                device.power_on(boot=boot)
                _announce(personality, chosen_seed, wire.addresses, listens, imei=device.imei, as_json=json_output)
                await stop.wait()
        finally:
            hub.close()
            if client is not None:
                await client.close()

    run_until_stopped(serve)


def _play(
    name: str, listen: list[str], seed: int, time_factor: float, carrier_url: str | None, *, as_json: bool
) -> None:
    """A scenario brings its own modem, card and happenings; `hub-sim run` plays it with the rest of its world."""
    from simulator.control.live import LiveOptions, play_live

    played = load_scenario(name)
    options = LiveOptions(listen=tuple(listen), speed=time_factor, carrier_url=carrier_url)
    listens = tuple(parse_listen(entry) for entry in listen)

    def ready(addresses: tuple[str, ...]) -> None:
        _announce(played.modem.personality, seed, addresses, listens, imei=None, as_json=as_json)

    run_until_stopped(
        lambda stop: play_live(played, seed=seed, options=options, on_trace=lambda _line: None, ready=ready, stop=stop)
    )


def _announce(
    name: str, seed: int, addresses: tuple[str, ...], listens: tuple[Listen, ...], *, imei: str | None, as_json: bool
) -> None:
    fronts = [f"{listen.kind}:{address}" for listen, address in zip(listens, addresses, strict=True)]
    if as_json:
        line = json.dumps({"personality": name, "seed": seed, "imei": imei, "listen": fronts})
    else:
        line = f"{name}, seed {seed}, {f'IMEI {imei}, ' if imei else ''}on {', '.join(fronts)}"
    typer.echo(line)


def register(app: typer.Typer) -> None:
    """Add `hub-sim modem`."""
    app.command("modem")(modem)
