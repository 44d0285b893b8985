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
_STARTER = "starter"
"""Comes with its packages."""


def main() -> NoReturn:
    """Fetch what the settings name; status 0: it is there, 1: try again, 2: a setting must be changed."""
    parser = argparse.ArgumentParser(prog="python -m services.encoder.weights")
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="made whole, or not at all")
    folder = parser.parse_args().to
    try:
        settings = load_settings(EncoderSettings)
        configure_logs("weights", settings.log_level, settings.log_format)
        if settings.model == _STARTER:
            log.info("nothing_to_fetch", model=settings.model)
        else:
            fetch(pinned_model(settings), WeightsFolder(folder))
    except SettingsError as error:
        print(f"weights: wrong settings\n{error}", file=sys.stderr)
        sys.exit(2)
    except (UnavailableError, OSError) as error:
        print(f"weights: {error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


def pinned_model(settings: EncoderSettings) -> PinnedModel:
    """The model to fetch.

    Raises:
        SettingsError: It is not one of the hub, or no revision is named.
    """
    if Path(settings.model).exists():
        raise SettingsError(
            f"IMAGERAG_ENCODER_MODEL={settings.model!r} is a folder and needs no fetching: write the hub id of a "
            "CLIP model, for example openai/clip-vit-base-patch32"
        )
    if settings.model_revision is None:
        raise SettingsError(
            "IMAGERAG_ENCODER_MODEL_REVISION is missing: write the commit hash of the model's revision, so that "
            "every fetch brings the same weights"
        )
    return PinnedModel(settings.model, settings.model_revision)


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
        files = files_to_fetch(hub.files(model), model.name)
        size_bytes = sum(file.size_bytes for file in files)
        log.info("fetching", model=model.name, revision=model.revision, files=len(files), size_bytes=size_bytes)
        folder.fill(model, files, lambda part: hub.download(model, files, part))
        log.info("weights_fetched", folder=str(folder.path), model=model.name, revision=model.revision)
