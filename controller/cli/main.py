"""The commands of `hub-controller`; options also come from a TOML file (`--config`) and the environment."""

import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from controller.cli.failures import CliError, Exit, one_line

app = typer.Typer(
    name="hub-controller",
    help="Decide who is owed a Mini Hub or Broadband Backup, switch SIMs at the carrier, and tell hubs what to be.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
keys_app = typer.Typer(help="API keys of operators and programs.", no_args_is_help=True)
hubs_app = typer.Typer(help="Mini Hubs.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(hubs_app, name="hubs")

DATABASE: Final = "sqlite:///hub-controller.db"
DatabaseUrl = Annotated[
    str, typer.Option(envvar="MINIHUB_DATABASE_URL", help="sqlite:///PATH or postgresql://USER@HOST/NAME")
]
CarrierUrl = Annotated[
    str | None,
    typer.Option(envvar="MINIHUB_CARRIER_URL", help="TMF640 platform, or osmo-hlr://HOST[?create=yes]. Default: none."),
]
CourierUrl = Annotated[
    str | None, typer.Option(envvar="MINIHUB_COURIER_URL", help="HTTP courier. Default: a file in the outbox.")
]
SmsUrl = Annotated[
    str | None, typer.Option(envvar="MINIHUB_SMS_URL", help="http(s):// gateway or smpp:// centre for SMS.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def main() -> None:
    """Run the command line."""
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hub-controller {version('minihub')}")
        raise typer.Exit


def _read_config(context: typer.Context, path: Path | None) -> None:
    if path is None:
        return
    with one_line():
        context.default_map = _defaults(path)


def _defaults(path: Path) -> dict[str, Any]:
    """Read a TOML file: a table for each command, its keys are the long options."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CliError(Exit.SETTINGS, f"{path} can't be read ({error.strerror})", "name a readable file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CliError(Exit.SETTINGS, f"{path} is not TOML ({error})", "mend the file") from error
    return _options(path, typer.main.get_command(app), tables)


def _options(path: Path, command: Any, table: Any) -> dict[str, Any]:
    """Turn a command's table into its parameters' defaults; a group's table holds its commands' tables."""
    if not isinstance(table, dict):
        raise CliError(Exit.SETTINGS, f"{path}: {command.name} is not a table", "write [command] and its options below")
    if hasattr(command, "commands"):
        for name in table:
            if name not in command.commands:
                raise CliError(Exit.SETTINGS, f"{path}: there is no command {name!r}", "name a table after a command")
        return {name: _options(path, command.commands[name], each) for name, each in table.items()}
    names = {flag[2:]: each.name for each in command.params for flag in each.opts if flag.startswith("--")}
    for key in table:
        if key not in names:
            raise CliError(Exit.SETTINGS, f"{path}: [{command.name}] has no option {key!r}", "see --help")
    return {names[key]: value for key, value in table.items()}


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option(envvar="MINIHUB_CONFIG", help="TOML: a table for each command, options as keys.")
    ] = None,
) -> None:
    """Decide, switch and tell."""
    del version
    _read_config(context, config)


@app.command()
def serve(
    database_url: DatabaseUrl = DATABASE,
    broker_url: Annotated[
        str | None,
        typer.Option(envvar="MINIHUB_BROKER_URL", help="mqtt://HOST:PORT or mqtts://HOST:PORT. Default: embedded."),
    ] = None,
    broker_ca: Annotated[Path | None, typer.Option(help="CA certificates of the broker (mqtts).")] = None,
    broker_certificate: Annotated[Path | None, typer.Option(help="Our certificate for the broker (mqtts).")] = None,
    broker_key: Annotated[Path | None, typer.Option(help="Private key of --broker-certificate.")] = None,
    carrier_url: CarrierUrl = None,
    carrier_token: Annotated[
        str, typer.Option(envvar="MINIHUB_CARRIER_TOKEN", help="The carrier's token; better by the environment.")
    ] = "",
    carrier_rate: Annotated[float, typer.Option(min=0, help="Calls a second to the carrier; 0: unlimited.")] = 5.0,
    carrier_concurrency: Annotated[int, typer.Option(min=1, max=64, help="Calls to the carrier at a time.")] = 1,
    callback_url: Annotated[
        str | None, typer.Option(help="Where the carrier sends webhooks. Default: this API; 'none': poll.")
    ] = None,
    lists_base_url: Annotated[str | None, typer.Option(help="Where hubs fetch lists. Default: this API.")] = None,
    hubs_broker_url: Annotated[
        str | None, typer.Option(help="Where hubs connect, told at enrolment. Default: --broker-url.")
    ] = None,
    ca_certificate: Annotated[Path | None, typer.Option(help="The hubs' certificate authority (PEM).")] = None,
    ca_key: Annotated[Path | None, typer.Option(help="Private key of --ca-certificate, of mode 0600.")] = None,
    ca_key_pem: Annotated[
        str | None, typer.Option(envvar="MINIHUB_CA_KEY_PEM", help="That key itself; by the environment only.")
    ] = None,
    ca_command: Annotated[
        str | None, typer.Option(help="An authority of somebody else's: the executable that signs (docs/enrolment.md).")
    ] = None,
    ca_url: Annotated[str | None, typer.Option(help="Somebody else's authority, asked over HTTPS.")] = None,
    host: Annotated[str, typer.Option(help="Address of the API.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the API; 0: any free one.")] = 8080,
    name: Annotated[str, typer.Option(help="This controller's name, unlike any other's.")] = "controller",
    share_group: Annotated[
        str | None, typer.Option(help="Share the hubs' messages with the controllers of this group.")
    ] = None,
    outbox: Annotated[
        Path | None, typer.Option(envvar="MINIHUB_OUTBOX", help="Directory for notices and orders as JSON lines.")
    ] = None,
    smtp_url: Annotated[
        str | None, typer.Option(envvar="MINIHUB_SMTP_URL", help="smtp://[USER:PASSWORD@]HOST:PORT for e-mail.")
    ] = None,
    sender: Annotated[str, typer.Option(help="From address of e-mail.")] = "service@minihub.invalid",
    sms_url: SmsUrl = None,
    courier_url: CourierUrl = None,
    quiet_window: Annotated[str, typer.Option(help="'policy' (02:00-05:00 local) or 'immediate'.")] = "policy",
    log_level: Annotated[str, typer.Option(envvar="MINIHUB_LOG_LEVEL", help="debug, info, warning or error.")] = "info",
    as_json: AsJson = False,
) -> None:
    """Serve the API, follow the carrier and the hubs, until SIGTERM or Ctrl-C."""
    settings = dict(locals())
    from controller.cli.serve import Settings, run

    with one_line():
        run(Settings(**settings))


@app.command()
def broker(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 1883,
) -> None:
    """Run the embedded broker alone (demonstrations only), until SIGTERM."""
    from controller.cli.broker import LIMITS, run_broker

    sys.stderr.write(f"hub-controller: {LIMITS}\n")
    with one_line():
        run_broker(host, port)


@app.command()
def migrate(database_url: DatabaseUrl = DATABASE, as_json: AsJson = False) -> None:
    """Bring the database to this code's schema."""
    with one_line():
        from controller.services import schema
        from controller.services.database import Database

        database = Database(database_url)
        database.create_now()
        show(as_json, {"schema": schema.current(database.engine)}, "the database is at schema {schema}")
        database.engine.dispose()


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    database_url: DatabaseUrl = DATABASE,
    as_json: AsJson = False,
) -> None:
    """Write the whole database to a file, from one consistent moment."""
    from controller.services import archive, schema
    from controller.services.database import Database

    with one_line():
        database = Database(database_url)
        schema.check(database.engine)
        with _file_errors(file):
            rows = archive.backup(database.engine, file, datetime.now(UTC))
        database.engine.dispose()
    show(as_json, {"file": str(file), "rows": rows}, "{rows} rows are in {file}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` wrote.")],
    database_url: DatabaseUrl = DATABASE,
    as_json: AsJson = False,
) -> None:
    """Fill an empty database from a backup; what may have changed meanwhile is looked at again."""
    from controller.services import archive, schema
    from controller.services.actor import Actor, Role
    from controller.services.database import Database

    with one_line():
        database = Database(database_url)
        schema.upgrade(database.engine)
        with _file_errors(file):
            rows = archive.restore(database.engine, file)
        database.run_now(archive.catch_up, actor=Actor("command line", Role.ADMIN), now=datetime.now(UTC))
        database.engine.dispose()
    show(as_json, {"file": str(file), "rows": rows}, "{rows} rows came from {file}")


@contextmanager
def _file_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CliError(Exit.SETTINGS, f"{file} can't be used ({error.strerror})", "name another file") from error


@app.command()
def openapi() -> None:
    """Print the API's OpenAPI document."""
    from controller.cli.serve import openapi_document

    typer.echo(json.dumps(openapi_document(), indent=2, sort_keys=True))


@keys_app.command("create")
def create_key(
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")],
    name: Annotated[str, typer.Option(help="Whose key it is; shown in the audit.")] = "command line",
    database_url: DatabaseUrl = DATABASE,
    as_json: AsJson = False,
) -> None:
    """Create an API key. It is printed once and kept only as a hash."""
    from controller.services import keys
    from controller.services.actor import Role

    with one_line():
        if role not in {Role.VIEWER, Role.OPERATOR, Role.ADMIN}:
            raise CliError(Exit.USAGE, f"there is no role {role!r}", "use viewer, operator or admin")
        key_id, plain = transact(database_url, keys.create, name=name, role=Role(role))
    show(as_json, {"id": key_id, "key": plain, "role": role}, "{key}")


@hubs_app.command("enrol")
def enrol_hub(
    serial: Annotated[str, typer.Option(help="On the hub's label.")],
    iccid: Annotated[str, typer.Option(help="Of the SIM in it.")],
    imsi: Annotated[str | None, typer.Option(help="Of the SIM in it.")] = None,
    msisdn: Annotated[str | None, typer.Option(help="Its number, +44…: where the doorbell rings.")] = None,
    claim: Annotated[bool, typer.Option("--claim", help="Make its claim code at once.")] = False,
    database_url: DatabaseUrl = DATABASE,
    as_json: AsJson = False,
) -> None:
    """Enrol a hub: mints its id, which is its MQTT client id and topic; with --claim prints its claim code too."""
    from controller.services import enrolment, hubs

    with one_line():
        hub = transact(database_url, hubs.enrol, serial=serial, iccid=iccid, imsi=imsi, msisdn=msisdn)
        fields = {"id": hub.id, "serial": serial}
        if claim:
            code, expires_at = transact(database_url, enrolment.make_claim, hub_id=hub.id)
            fields |= {"claim_code": code, "expires_at": expires_at.isoformat()}
    show(as_json, fields, "{id} {claim_code}" if claim else "{id}")


def transact(url: str, f: Callable[..., Any], **kwargs: Any) -> Any:
    """Run one transaction as the command line, an administrator."""
    from controller.services import schema
    from controller.services.actor import Actor, Role
    from controller.services.database import Database

    database = Database(url)
    try:
        if database.is_sqlite:
            database.create_now()
        schema.check(database.engine)
        return database.run_now(f, actor=Actor("command line", Role.ADMIN), now=datetime.now(UTC), **kwargs)
    finally:
        database.engine.dispose()


def show(as_json: bool, fields: dict[str, Any], text: str) -> None:
    """Print what was done, for a person or as one JSON document."""
    typer.echo(json.dumps(fields) if as_json else text.format(**fields))
