"""The commands, put together."""

from __future__ import annotations

import sys

import typer

from services.cli.commands.ask import ask_command
from services.cli.commands.catalogue import catalogue_app
from services.cli.commands.demo import demo_command
from services.cli.commands.doctor import doctor_command
from services.cli.commands.ingest import ingest_command
from services.cli.commands.jobs import jobs_app
from services.cli.commands.keys import keys_app
from services.cli.commands.search import search_command
from services.cli.commands.snapshots import snapshots_app
from services.cli.commands.up import up_command
from services.cli.errors import CliError
from services.cli.evaluation.command import eval_command
from services.cli.output import show_error

app = typer.Typer(
    name="imagerag",
    help="Pictures, pages and words in; ranked items and cited answers out.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
)
app.command("up")(up_command)
app.command("demo")(demo_command)
app.command("ingest")(ingest_command)
app.command("search")(search_command)
app.command("ask")(ask_command)
app.add_typer(jobs_app, name="jobs")
app.add_typer(keys_app, name="keys")
app.add_typer(catalogue_app, name="catalogue")
app.command("eval")(eval_command)
app.add_typer(snapshots_app, name="snapshots")
app.command("doctor")(doctor_command)


def main() -> None:
    """Run the command line; a `CliError` becomes its sentence and its exit code."""
    try:
        app()
    except CliError as error:
        show_error(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
