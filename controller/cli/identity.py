"""The commands about who hubs are: authorities, claim codes, revocation, the revocation list, the broker's files."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from controller.cli.failures import CliError, Exit, one_line
from controller.cli.main import DATABASE, AsJson, DatabaseUrl, app, hubs_app, show, transact

if TYPE_CHECKING:
    from controller.pki.own import KeyPair

ca_app: Final = typer.Typer(help="Certificate authorities: of hubs, and of the broker and its controllers.")
broker_config_app: Final = typer.Typer(help="Configuration of brokers.", no_args_is_help=True)
KINDS: Final = ("broker", "controller")
HUBS_CA: Final = "hubs-ca"
SERVICES_CA: Final = "services-ca"
CA_CERTIFICATE = Annotated[Path | None, typer.Option(help="The hubs' authority (PEM); signs the list anew if due.")]
CA_KEY = Annotated[Path | None, typer.Option(help="Its private key, a file of mode 0600.")]


def register() -> None:
    """Add the commands to `hub-controller`."""
    app.add_typer(ca_app, name="ca")
    app.add_typer(broker_config_app, name="broker-config")


@ca_app.command("create")
def create_ca(
    out: Annotated[Path, typer.Option(help="Directory for the two authorities' certificates and keys.")],
    name: Annotated[str, typer.Option(help="Whose authorities they are.")] = "Mini Hub",
    as_json: AsJson = False,
) -> None:
    """Make two authorities: one signs hubs, the other the broker and its controllers."""
    from controller.cli.authority import make_directory
    from controller.pki.own import create_authority

    with one_line():
        make_directory(out)
        for file, whose in ((HUBS_CA, "hubs"), (SERVICES_CA, "services")):
            _write_pair(out, file, create_authority(f"{name} {whose}", datetime.now(UTC)))
    show(as_json, {"directory": str(out)}, "{directory} holds hubs-ca and services-ca; keep the keys there")


@ca_app.command("issue")
def issue(
    kind: Annotated[str, typer.Option(help="broker or controller.")],
    name: Annotated[str, typer.Option(help="The broker's host name or address; the controller's name.")],
    ca: Annotated[Path, typer.Option(help="The directory of `ca create`.")],
    out: Annotated[Path, typer.Option(help="Directory for the certificate and key.")],
    as_json: AsJson = False,
) -> None:
    """Make the key and certificate of a broker (broker.pem) or of a controller (NAME.pem)."""
    from controller.cli.authority import make_directory, read_secret, read_text
    from controller.pki.own import KeyPair, issue_for_broker, issue_for_controller

    with one_line():
        if kind not in KINDS:
            raise CliError(Exit.USAGE, f"there is no kind {kind!r}", "use broker or controller")
        _check_name(name)
        authority = KeyPair(read_text(ca / f"{SERVICES_CA}.pem"), read_secret(ca / f"{SERVICES_CA}.key"))
        make_directory(out)
        make = issue_for_broker if kind == "broker" else issue_for_controller
        file = "broker" if kind == "broker" else name
        _write_pair(out, file, make(authority, name, datetime.now(UTC)))
    show(as_json, {"certificate": str(out / f"{file}.pem"), "key": str(out / f"{file}.key")}, "{certificate} {key}")


@ca_app.command("show")
def show_certificate(
    certificate: Annotated[Path, typer.Argument(help="A certificate (PEM).")], as_json: AsJson = False
) -> None:
    """Show whose certificate it is and when it ends."""
    from controller.cli.authority import read_text
    from controller.pki.port import RequestRefusedError
    from controller.pki.reading import read_certificate

    with one_line():
        try:
            found = read_certificate(read_text(certificate))
        except RequestRefusedError as error:
            raise CliError(Exit.SETTINGS, f"{certificate}: {error}", "name a certificate in PEM") from error
    fields = {"subject": ", ".join(found.names), "fingerprint": found.fingerprint, "ends": found.not_after.isoformat()}
    show(as_json, fields, "{subject}\nsha256 {fingerprint}\nends {ends}")


@hubs_app.command("claim")
def claim(
    hub_id: Annotated[str, typer.Argument(help="The hub's id.")],
    database_url: DatabaseUrl = DATABASE,
    as_json: AsJson = False,
) -> None:
    """Make the one-time code with which a hub enrols at the depot. It is printed once."""
    from controller.services import enrolment

    with one_line():
        code, expires_at = transact(database_url, enrolment.make_claim, hub_id=hub_id)
    fields = {"id": hub_id, "claim_code": code, "expires_at": expires_at.isoformat()}
    show(as_json, fields, "{claim_code}")


@hubs_app.command("revoke")
def revoke(
    hub_id: Annotated[str, typer.Argument(help="The hub's id.")],
    database_url: DatabaseUrl = DATABASE,
    as_json: AsJson = False,
) -> None:
    """End a hub's enrolment and its certificates; brokers refuse it with their next revocation list."""
    from controller.services import enrolment

    with one_line():
        row = transact(database_url, enrolment.revoke, hub_id=hub_id)
    show(as_json, {"id": hub_id, "revoked_at": row.revoked_at.isoformat()}, "{id} is revoked")


@app.command()
def crl(
    out: Annotated[Path, typer.Option(help="Where the broker reads it (crlfile); replaced only by a newer one.")],
    url: Annotated[str | None, typer.Option(help="Fetch it from a controller: https://…/v1/enrolments/crl")] = None,
    authority: Annotated[Path | None, typer.Option(help="Believe only what this authority (PEM) signed.")] = None,
    ca_certificate: CA_CERTIFICATE = None,
    ca_key: CA_KEY = None,
    database_url: DatabaseUrl = DATABASE,
    as_json: AsJson = False,
) -> None:
    """Write the hubs' revocation list to a file. Restart the broker if it changed."""
    from controller.cli import revocation_list

    with one_line():
        if ca_certificate is not None:
            asyncio.run(revocation_list.sign(database_url, ca_certificate, ca_key))
        pem = revocation_list.fetch(url) if url is not None else revocation_list.read(database_url)
        fields: dict[str, Any] = revocation_list.put(pem, out, authority or ca_certificate, datetime.now(UTC))
    show(as_json, fields, "{file}: number {number}, ends {ends}" + ("" if fields["changed"] else " (unchanged)"))


@broker_config_app.command("mosquitto")
def mosquitto(
    out: Annotated[Path, typer.Option(help="Directory to write the files to.")],
    controller: Annotated[list[str], typer.Option(help="A controller's name, as in its certificate; repeat it.")],
    crl_url: Annotated[str, typer.Option(help="Where the broker's machine fetches the revocation list.")],
    directory: Annotated[
        str, typer.Option(help="Where the files will lie on that machine.")
    ] = "/etc/mosquitto/minihub",
    hubs_port: Annotated[int, typer.Option(min=1, max=65535, help="Listener of the hubs.")] = 8883,
    controllers_port: Annotated[int, typer.Option(min=1, max=65535, help="Listener of the controllers.")] = 8884,
    listen: Annotated[str, typer.Option(help="Address of both listeners.")] = "0.0.0.0",  # noqa: S104  # see --help
    store: Annotated[str, typer.Option(help="Where the broker keeps its sessions.")] = "/var/lib/mosquitto/",
    user: Annotated[str, typer.Option(help="Whom mosquitto becomes.")] = "mosquitto",
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite files of an earlier run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a hardened configuration for mosquitto 2.0, with its access list and units for systemd."""
    from controller.cli.authority import make_directory, write_file
    from controller.cli.mosquitto import BrokerSettings, files

    with one_line():
        for name in controller:
            _check_name(name)
        settings = BrokerSettings(
            directory=_plain(directory, "--directory").rstrip("/"),
            controllers=tuple(controller),
            crl_url=_plain(crl_url, "--crl-url"),
            hubs_address=_plain(listen, "--listen"),
            hubs_port=hubs_port,
            controllers_address=_plain(listen, "--listen"),
            controllers_port=controllers_port,
            store=_plain(store, "--store").rstrip("/") + "/",
            user=_plain(user, "--user"),
        )
        written = files(settings)
        for name, text in written.items():
            make_directory((out / name).parent)
            write_file(out / name, text, replace=replace)
    show(as_json, {"directory": str(out), "files": sorted(written)}, "{directory} holds the broker's files")


def _write_pair(out: Path, name: str, pair: "KeyPair") -> None:
    from controller.cli.authority import write_file

    write_file(out / f"{name}.key", pair.key_pem, mode=0o600)
    write_file(out / f"{name}.pem", pair.certificate_pem)


def _check_name(name: str) -> None:
    """A name stands in the access list, where a wildcard or a line break would be another rule."""
    if not name or len(name) > 64 or not all(each.isascii() and (each.isalnum() or each in "-_.:") for each in name):
        raise CliError(Exit.USAGE, f"{name!r} is no name", "use letters, digits, '-', '_', '.' and ':'")


def _plain(text: str, option: str) -> str:
    if not text or any(each.isspace() or each in "%\\\"'" for each in text):
        raise CliError(Exit.USAGE, f"{option} {text!r} can't stand in a configuration", "leave blanks and quotes out")
    return text
