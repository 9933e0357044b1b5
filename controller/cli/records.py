"""Commands on what is kept: parental-control lists, the quarantine, telemetry."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli.failures import CliError, Exit, one_line
from controller.cli.main import DATABASE, AsJson, DatabaseUrl, app, show, transact

lists_app = typer.Typer(help="Parental-control lists.", no_args_is_help=True)
quarantine_app = typer.Typer(help="Messages of hubs that could not be read.", no_args_is_help=True)
telemetry_app = typer.Typer(help="Telemetry of hubs.", no_args_is_help=True)
SHOWN = 20


def register() -> None:
    """Add these commands to `hub-controller`."""
    for name, group in {"lists": lists_app, "quarantine": quarantine_app, "telemetry": telemetry_app}.items():
        app.add_typer(group, name=name)


@lists_app.command("import")
def import_list(
    file: Annotated[Path, typer.Argument(help="Names one a line, a hosts file, an RPZ zone, or Adblock rules.")],
    category: Annotated[str, typer.Option(help="Which category it becomes the list of.")],
    format_: Annotated[str, typer.Option("--format", help="auto, plain, hosts, rpz or adblock.")] = "auto",
    database_url: DatabaseUrl = DATABASE,
    as_json: AsJson = False,
) -> None:
    """Import a category's list; prints what became of its lines."""
    from controller.services import lists

    with one_line():
        # Compiled first: a long list would hold the database meanwhile.
        compiled = lists.compile_list(_bytes(file), format_)
        source = f"{file.name}, imported on the command line"
        done = transact(database_url, lists.import_list, category=category, compiled=compiled, source=source)
    report = done.report.as_json()
    fields = {"category": category, "digest": done.digest, "size": done.size, "report": report}
    for each in () if as_json else report["refused"][:SHOWN]:
        typer.echo(f"line {each['line']}: {each['reason']}: {each['text']}", err=True)
    counted = ", ".join(f"{count} {word}" for word, count in sorted(report["counts"].items()) if count)
    text = f"{report['names']} names ({report['format']}; {counted}) are the list of {category}: {done.digest}"
    show(as_json, fields, text.replace("{", "{{").replace("}", "}}"))


@lists_app.command("level")
def set_level(
    level: Annotated[str, typer.Argument(help="light, moderate or strict.")],
    category: Annotated[list[str], typer.Option(help="What it refuses; as often as there are categories.")],
    database_url: DatabaseUrl = DATABASE,
    as_json: AsJson = False,
) -> None:
    """Say what a level refuses; what ships is an example."""
    from controller.services import lists

    with one_line():
        if level not in {"light", "moderate", "strict"}:
            raise CliError(Exit.USAGE, f"there is no level {level!r} to set", "use light, moderate or strict")
        view = transact(database_url, lists.set_level, level=level, categories=category)
    fields = {"level": level, "categories": ", ".join(view.categories), "size": view.size}
    show(as_json, fields, "{level} refuses {categories}: {size} bytes of lists")


@quarantine_app.command("list")
def list_quarantine(database_url: DatabaseUrl = DATABASE, as_json: AsJson = False) -> None:
    """Show the messages set aside, newest first."""
    from controller.services import quarantine

    with one_line():
        rows = transact(database_url, quarantine.newest)
    for row in rows:
        at, done = row.at.isoformat(), "replayed" if row.replayed_at else "waits"
        fields = {"id": row.id, "at": at, "state": done, "topic": row.topic, "reason": row.reason}
        document = {**fields, "payload": row.payload.hex()}
        typer.echo(json.dumps(document) if as_json else "  ".join(str(each) for each in fields.values()))


@quarantine_app.command("replay")
def replay_message(
    message_id: Annotated[str, typer.Argument(help="Its id.")],
    database_url: DatabaseUrl = DATABASE,
    as_json: AsJson = False,
) -> None:
    """Take a message in once more; exit code 9 if it still can't be read."""
    from controller.ingest.replay import replay

    with one_line():
        row = transact(database_url, replay, message_id=message_id)
        if row.replayed_at is None:
            raise CliError(Exit.REFUSED, f"message {message_id} was not taken in", row.reason)
    show(as_json, {"id": row.id, "replayed_at": row.replayed_at.isoformat()}, "{id} was taken in")


@telemetry_app.command("export")
def export(
    hub: Annotated[str, typer.Argument(help="The hub's id.")],
    span: Annotated[str, typer.Option(help="hour (as taken), day (five minutes) or month (hours).")] = "day",
    format_: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    database_url: DatabaseUrl = DATABASE,
) -> None:
    """Print a hub's series."""
    from controller.services import telemetry

    with one_line():
        if span not in telemetry.SPANS:
            raise CliError(Exit.USAGE, f"there is no span {span!r}", "use hour, day or month")
        if format_ not in {"csv", "json"}:
            raise CliError(Exit.USAGE, f"there is no format {format_!r}", "use csv or json")
        found = transact(database_url, telemetry.series, hub_id=hub, span=span)
    document: dict[str, Any] = {"hub_id": hub, "span": span, "resolution_s": found.resolution_s}
    whole = json.dumps({**document, "samples": list(found.samples)})
    typer.echo(telemetry.as_csv(found) if format_ == "csv" else whole, nl=format_ == "json")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CliError(Exit.SETTINGS, f"{file} can't be read ({error.strerror})", "name a readable file") from error
