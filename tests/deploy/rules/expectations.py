"""What the manifests expect of the operator and of programs that are not ours."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import yaml

_FOLDER = Path(__file__).parent.parent


@lru_cache
def required_secrets() -> dict[str, dict[str, str]]:
    """Secrets that the operator makes: name to keys and sample values that the settings must accept."""
    return dict(yaml.safe_load((_FOLDER / "required_secrets.yaml").read_text(encoding="utf-8")))


@lru_cache
def foreign_variables(image: str) -> frozenset[str]:
    """Variables that a container may get though no settings class of ours reads them, by its image."""
    table = yaml.safe_load((_FOLDER / "foreign_variables.yaml").read_text(encoding="utf-8"))
    return frozenset(name for start, names in table.items() if image.startswith(start) for name in names)
