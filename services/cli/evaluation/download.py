"""Where the data set comes from: apt's own download of one package, or what the user points at."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from services.cli.errors import CliError
from services.cli.evaluation.package import unpack_stamps
from services.cli.evaluation.stamps import Stamp, read_stamps

PACKAGE = "tuxpaint-stamps-default"
_DOWNLOAD_LIMIT_S = 900
_BY_HAND = (
    f"Fetch the package {PACKAGE} (161 MB) on any Debian or Ubuntu with `apt-get download {PACKAGE}`, or from "
    "packages.debian.org, and give the .deb or an unpacked folder with --stamps."
)


def load(source: Path | None, cache: Path) -> list[Stamp]:
    """The data set, fetched and unpacked on the first call.

    Args:
        source: A .deb or an unpacked folder; None: the cache folder's own, or a download.
        cache: Where the package and its pictures are kept for the next time.

    Raises:
        CliError: There are no pictures to be had.
    """
    folder = source if source is not None and source.is_dir() else _unpacked(source, cache)
    stamps = read_stamps(folder)
    if not stamps:
        raise CliError(f"There are no described pictures below {folder}.", _BY_HAND)
    return stamps


def _unpacked(source: Path | None, cache: Path) -> Path:
    if source is not None and not source.exists():
        raise CliError(f"{source} does not exist.", _BY_HAND)
    cache.mkdir(parents=True, exist_ok=True)
    package = source or _kept_package(cache) or _download(cache)
    target = cache / package.stem
    if not target.is_dir():
        unpack_stamps(package, target)
    return target


def _kept_package(cache: Path) -> Path | None:
    return next(iter(sorted(cache.glob(f"{PACKAGE}_*.deb"))), None)


def _download(cache: Path) -> Path:
    """Let apt fetch the package into a folder of its own first: a broken download is never taken for one."""
    apt_get = shutil.which("apt-get")
    if apt_get is None:
        raise CliError("apt-get is not on this machine.", _BY_HAND)
    part = cache / "download"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    command = [apt_get, "download", PACKAGE]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, cwd=part, capture_output=True, text=True, timeout=_DOWNLOAD_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise CliError(f"`{' '.join(command)}` took over {_DOWNLOAD_LIMIT_S} s.", _BY_HAND) from None
    fetched = _kept_package(part)
    if done.returncode != 0 or fetched is None:
        reason = done.stderr.strip().splitlines()[-1:] or ["no package came"]
        raise CliError(f"`{' '.join(command)}` failed: {reason[0]}", f"`sudo apt-get update` may help. {_BY_HAND}")
    return fetched.rename(cache / fetched.name)
