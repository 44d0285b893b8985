"""Constants of modules that cannot be imported here: they need Celery or gRPC, which this environment lacks."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


@lru_cache
def constant(path: str, name: str) -> Any:
    """The literal that a module of the repository assigns to `name`.

    Raises:
        LookupError: It assigns none.
    """
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise LookupError(f"{path} does not say {name}")
