"""Which model the data of a folder was made with. Vectors of different models never mix."""

from __future__ import annotations

import json
from pathlib import Path

from services.cli.errors import CliError

MODEL_FILE = "model.json"
DEFAULT_MODEL = "starter"


def choose_model(data: Path, requested: str | None) -> str:
    """The model to start with; the first choice is written into the folder and holds from then on.

    Args:
        data: The data folder.
        requested: `starter`, a hub id, or a folder with a model; None: what the folder was made with.

    Raises:
        CliError: The folder was made with another model, or its record cannot be read.
    """
    wanted = _spelled(requested) if requested else None
    path = data / MODEL_FILE
    chosen = _read(path)
    if chosen is None:
        chosen = wanted or DEFAULT_MODEL
        path.write_text(json.dumps({"model": chosen}) + "\n", encoding="utf-8")
    if wanted not in {None, chosen}:
        raise _refusal(data, chosen, str(wanted))
    return chosen


def _spelled(model: str) -> str:
    """A folder by its absolute path, so that it is the same from everywhere."""
    folder = Path(model).expanduser()
    return str(folder.resolve()) if folder.is_dir() else model


def _read(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["model"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise CliError(
            f"{path} does not say which model this data was made with.",
            f'Write for example {{"model": "{DEFAULT_MODEL}"}} into it, or start elsewhere with --data FOLDER.',
        ) from None


def _refusal(data: Path, chosen: str, wanted: str) -> CliError:
    other = data.with_name(f"{data.name}-{Path(wanted).name}")
    return CliError(
        f"The data in {data} was made with the model {chosen!r}; vectors of {wanted!r} do not mix with them.",
        f"Start without --model, or ingest into a new folder: --data {other} --model {wanted}.",
        code="other_model",
    )
