"""`imagerag keys create | list | check | revoke`: API keys of the gateway, without hashing anything by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from services.cli.errors import EXIT_USAGE, CliError
from services.cli.key_file import append_key, is_readable_by_others, read_keys, remove_key
from services.cli.options import AsJson, Key
from services.cli.output import Output, plain
from services.common.api_keys import ApiKey, Scope, hash_of, line_of, new_key, parse_expiry, parse_keys

keys_app = typer.Typer(help="Make, list and revoke API keys of the gateway.", no_args_is_help=True)
_FILE_HELP = "The gateway's keys file."
_VARIABLE = "IMAGERAG_GATEWAY_KEYS_PATH"
File = Annotated[Path, typer.Option("--file", help=_FILE_HELP, envvar=_VARIABLE, dir_okay=False)]
PerhapsFile = Annotated[
    Path | None, typer.Option("--file", help=f"{_FILE_HELP} Unset: the line is printed.", envvar=_VARIABLE)
]
Tenant = Annotated[str, typer.Option("--tenant", help="Whose data the key opens.")]
Name = Annotated[str, typer.Option("--name", help="For lists and the audit log; default: tenant and date.")]
Scopes = Annotated[list[Scope], typer.Option("--scope", help="What it may do; may be given several times.")]
Rate = Annotated[float | None, typer.Option("--requests-per-s", help="Its own rate.")]
Bound = Annotated[int | None, typer.Option("--concurrent", help="Its own bound on requests at once.")]
Expires = Annotated[str | None, typer.Option("--expires", help="Last day, e.g. 2027-01-31 (UTC).")]


@keys_app.command("create")
def create_command(
    tenant: Tenant,
    name: Name = "",
    scope: Scopes = [Scope.READ, Scope.WRITE],  # noqa: B006 - typer reads it and never changes it
    requests_per_s: Rate = None,
    concurrent: Bound = None,
    expires: Expires = None,
    file: PerhapsFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown this once; the file keeps a hash of it. A running gateway takes it over at once."""
    secret = new_key()
    chosen = name or f"{tenant}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    key = _checked(
        lambda: ApiKey(
            tenant, hash_of(secret), chosen, frozenset(scope), requests_per_s, concurrent, _moment(expires)
        )
    )
    if file is not None:
        append_key(file, key)
    if as_json:
        print(json.dumps({"key": secret, "name": key.name, "line": line_of(key)}))
    else:
        _show_created(Output(as_json=False), secret, key, file)


@keys_app.command("list")
def list_command(file: File, as_json: AsJson = False) -> None:
    """What a keys file holds; never a key, for it has none."""
    keys = read_keys(file)
    Output(as_json=as_json).result({"keys": [_described(key) for key in keys]}, lambda: _table(keys))


@keys_app.command("check")
def check_command(file: File, key: Key = None, as_json: AsJson = False) -> None:
    """Whether the gateway would take a keys file; with a key, which line it is."""
    keys = read_keys(file)
    output = Output(as_json=as_json)
    if is_readable_by_others(file):
        output.note(f"[yellow]{escape(str(file))} may be read by every user of this machine: chmod 600 it.[/]")
    if key is None:
        output.result({"keys": len(keys)}, lambda: Text(f"{file}: {len(keys)} keys, all in order."))
        return
    found = next((entry for entry in keys if entry.sha256 == hash_of(key)), None)
    if found is None:
        raise CliError(f"{file} does not hold this key.", "Look for blanks around it, or create a new one.")
    if found.expired(datetime.now(UTC)):
        raise CliError(f"This key, {found.name!r}, has expired.", "Create a new one.", code="expired")
    output.result({"key": _described(found)}, lambda: _table([found]))


@keys_app.command("revoke")
def revoke_command(
    name: Annotated[str, typer.Argument(help="Name of the key, as `list` shows it.")], file: File
) -> None:
    """Take a key out of the file. A running gateway refuses it from then on."""
    removed = remove_key(file, name)
    Output(as_json=False).note(f"{escape(removed.name)} of {removed.tenant} is revoked.")


def _moment(expires: str | None) -> datetime | None:
    return None if expires is None else parse_expiry(expires)


def _checked(make: Callable[[], ApiKey]) -> ApiKey:
    """A key that the gateway would accept: what it reads is what was meant."""
    try:
        return parse_keys(line_of(make()))[0]
    except ValueError as error:
        message = str(error).removeprefix("entry 1: ").rstrip(".")
        raise CliError(f"This makes no key: {message}.", code="wrong_key", exit_code=EXIT_USAGE) from None


def _show_created(output: Output, secret: str, key: ApiKey, file: Path | None) -> None:
    """The key, and without a file its line, each alone on a line however narrow the terminal is."""
    kept = "This line goes into the keys file:" if file is None else f"{file} has its hash, as {key.name!r}."
    output.results.print(Text(secret, style="bold"), soft_wrap=True)
    output.note(f"Keep it now: it cannot be shown again. {escape(kept)}")
    if file is None:
        output.results.print(Text(line_of(key)), soft_wrap=True)


def _described(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "tenant": key.tenant,
        "scopes": [scope.value for scope in Scope if scope in key.scopes],
        "requests_per_s": key.requests_per_s,
        "concurrent": key.concurrent,
        "expires": None if key.expires is None else key.expires.isoformat(timespec="seconds"),
        "expired": key.expired(datetime.now(UTC)),
    }


def _table(keys: Sequence[ApiKey]) -> Table:
    table = Table("Name", "Tenant", "Scopes", "Requests/s", "At once", "Expires", box=None)
    for described in map(_described, keys):
        limits = (str(described[name] or "default") for name in ("requests_per_s", "concurrent"))
        expires = str(described["expires"] or "never") + (" (expired)" if described["expired"] else "")
        table.add_row(
            plain(described["name"]), plain(described["tenant"]), " ".join(described["scopes"]), *limits, expires
        )
    return table
