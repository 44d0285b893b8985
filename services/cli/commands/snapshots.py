"""`imagerag snapshots create | list | restore`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from services.cli.cluster.state import DEMO_FOLDER, OBJECTS_FOLDER, read_state
from services.cli.errors import EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE, CliError
from services.cli.options import AsJson, data_folder
from services.cli.output import Output, plain

if TYPE_CHECKING:
    from services.cli.snapshots.manifest import Manifest
    from services.cli.snapshots.media import MediaPool
    from services.cli.snapshots.service import SnapshotService
    from services.cli.snapshots.settings import SnapshotSettings
    from services.cli.snapshots.vault import Vault

snapshots_app = typer.Typer(help="Save the items and vectors, and bring them back.", no_args_is_help=True)
From = Annotated[str, typer.Option("--from", help="Where snapshots are kept: a folder, s3://bucket/prefix.")]
Nodes = Annotated[
    list[str] | None,
    typer.Option("--node", help="A node of a Qdrant cluster; again for each, or a headless Service for all."),
]
WithMedia = Annotated[bool, typer.Option("--with-media", help="Also the pictures, from and to IMAGERAG_DATA_URL.")]
Chosen = Annotated[str | None, typer.Option("--snapshot", help="Name of one; the newest if not given.")]


@snapshots_app.command("create")
def create_command(
    to: Annotated[str, typer.Option("--to", help="Where to keep it: a folder, s3://bucket/prefix.")],
    keep: Annotated[int, typer.Option("--keep", min=0, help="Newest snapshots that stay; 0: all.")] = 0,
    node: Nodes = None,
    with_media: WithMedia = False,
    as_json: AsJson = False,
) -> None:
    """Save the collection in use while it is written to; complete or not at all."""
    output = Output(as_json=as_json)
    with _opened(to, node, output, with_media=with_media) as (service, _, settings):
        manifest = service.create(settings.alias, keep)
    output.result(manifest.to_document(), partial(_table, [manifest]))


@snapshots_app.command("list")
def list_command(from_: From, as_json: AsJson = False) -> None:
    """The snapshots that are complete, the newest last."""
    output = Output(as_json=as_json)
    with _opened(from_, None, output) as (_, vault, _settings):
        manifests = sorted(map(vault.manifest, vault.names()), key=lambda manifest: manifest.created_at)
    documents = [manifest.to_document() for manifest in manifests]
    output.result({"snapshots": documents}, partial(_table, manifests))


@snapshots_app.command("restore")
def restore_command(
    from_: From,
    snapshot: Chosen = None,
    node: Nodes = None,
    verify: Annotated[bool, typer.Option("--verify", help="Only read the files and compare checksums.")] = False,
    switch_alias: Annotated[
        bool, typer.Option("--switch-alias", help="Even if another model's collection is in use now.")
    ] = False,
    with_media: WithMedia = False,
    as_json: AsJson = False,
) -> None:
    """Make the collection what it was; what is in it now is replaced."""
    output = Output(as_json=as_json)
    with _opened(from_, node, output, with_media=with_media) as (service, vault, settings):
        manifest = vault.manifest(snapshot or _newest(vault, settings.alias))
        service.verify(manifest)
        document: dict[str, Any] = {"snapshot": manifest.name, "verified": True}
        if verify:
            service.verify_media(manifest)
        else:
            points = service.restore(manifest, switch_alias=switch_alias, settle_s=settings.settle_s)
            document |= {"collection": manifest.collection, "points": points}
    output.result(document, lambda: plain(", ".join(f"{name} {value}" for name, value in document.items())))


@contextmanager
def _opened(
    url: str, nodes: Sequence[str] | None, output: Output, *, with_media: bool = False
) -> Iterator[tuple[SnapshotService, Vault, SnapshotSettings]]:
    """The service, and its errors as the command line's."""
    parts = _import_parts()
    settings = _settings()
    # What was begun is cleaned up, in the vault and on Qdrant's disk, as with Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with _serving(url, nodes, output, settings, with_media=with_media) as opened:
            yield opened
    except parts as error:
        unreachable = getattr(error, "retryable", False)
        code = getattr(error, "code", "failed")
        message = getattr(error, "message", str(error))
        raise CliError(message, code=code, exit_code=EXIT_UNREACHABLE if unreachable else EXIT_FAILED) from None


@contextmanager
def _serving(
    url: str, nodes: Sequence[str] | None, output: Output, settings: SnapshotSettings, *, with_media: bool
) -> Iterator[tuple[SnapshotService, Vault, SnapshotSettings]]:
    from services.cli.snapshots.addresses import node_urls
    from services.cli.snapshots.service import SnapshotService
    from services.cli.snapshots.vault import Vault
    from services.common.index.nodes import Node
    from services.common.index.recovery import Catalogue

    qdrant_url = settings.qdrant_url or _running_store()
    key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
    open_node = partial(Node, api_key=key, ca_path=settings.qdrant_ca_path, timeout_s=settings.timeout_s)
    vault = Vault(url)
    with Catalogue(qdrant_url, api_key=key, ca_path=settings.qdrant_ca_path) as catalogue:
        addresses = node_urls(nodes) if nodes else [qdrant_url]
        say = partial(_say, output)
        media = _media(url, settings, say) if with_media else None
        yield SnapshotService(catalogue, addresses, open_node, vault, say, media), vault, settings


def _media(url: str, settings: SnapshotSettings, say: Callable[[str], None]) -> MediaPool:
    from services.cli.snapshots.media import MediaPool
    from services.common.objects import open_objects

    data_url = settings.data_url or _running_data()
    try:
        return MediaPool(open_objects(url), open_objects(data_url), say)
    except (ImportError, ValueError) as error:
        raise CliError(f"The media cannot be reached: {error}", code="wrong_url", exit_code=EXIT_USAGE) from None


def _say(output: Output, line: str) -> None:
    output.note(f"[dim]{escape(plain(line, 500).plain)}[/]")


def _import_parts() -> tuple[type[Exception], ...]:
    """The errors of the libraries that only this command needs.

    Raises:
        CliError: They are not installed.
    """
    if any(find_spec(package) is None for package in ("fsspec", "qdrant_client", "opencc", "mmh3")):
        raise CliError(
            "This installation lacks what `imagerag snapshots` needs.",
            "Install with `pip install 'imagerag[cli,operations]'`.",
            exit_code=EXIT_USAGE,
        )
    from services.common.errors import ImageragError

    return (ImageragError, OSError)


def _settings() -> SnapshotSettings:
    from services.cli.snapshots.settings import SnapshotSettings
    from services.common.settings import SettingsError, load_settings
    from services.common.telemetry.logs import configure_logs

    try:
        settings = load_settings(SnapshotSettings)
    except SettingsError as error:
        raise CliError(str(error), code="wrong_settings", exit_code=EXIT_USAGE) from None
    configure_logs("snapshots", "error", settings.log_format)
    return settings


def _running_store() -> str:
    folder = data_folder(None)
    state = read_state(folder) or read_state(folder / DEMO_FOLDER)
    return (
        f"http://{state.addresses['store']}" if state and "store" in state.addresses else "http://127.0.0.1:6333"
    )


def _running_data() -> str:
    """The objects of the cluster that runs on the data folder, or of its demonstration."""
    folder = data_folder(None)
    runs_demo = read_state(folder) is None and read_state(folder / DEMO_FOLDER) is not None
    objects = (folder / DEMO_FOLDER if runs_demo else folder) / OBJECTS_FOLDER
    if not objects.is_dir():
        raise CliError(
            f"It is not known where the pictures are: there is no {objects}.",
            "Set IMAGERAG_DATA_URL.",
            code="no_data_url",
            exit_code=EXIT_USAGE,
        )
    return str(objects)


def _newest(vault: Vault, alias: str) -> str:
    from services.cli.snapshots.manifest import alias_of

    own = [name for name in vault.names() if alias_of(name) == alias]
    if not own:
        raise CliError(f"There is no snapshot of {alias!r} at {vault.url}.", code="no_such_snapshot")
    return max(own)


def _table(manifests: Sequence[Manifest]) -> Table:
    table = Table("Name", "Collection", "Points", "Shards", "MiB", "Media", box=None)
    for manifest in manifests:
        size = f"{manifest.size_bytes / 2**20:.1f}"
        media = str(manifest.media.objects) if manifest.media else "-"
        numbers = (str(manifest.points_before), str(len(manifest.shards)), size, media)
        table.add_row(plain(manifest.name), plain(manifest.collection), *numbers)
    return table
