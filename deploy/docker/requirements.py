"""Prints what the project and some of its extras require, one requirement a line, for `pip install --requirement`.

Usage: python requirements.py EXTRA...    (beside pyproject.toml; needs nothing but Python)
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

_OWN_EXTRAS = re.compile(r"imagerag\[([\w, -]+)\]")


def requirements(project: dict[str, dict[str, list[str]]], extras: list[str]) -> Iterator[str]:
    """The requirements of `extras`; one that names other extras of the project brings theirs."""
    for extra in extras:
        for requirement in project["optional-dependencies"][extra]:
            own = _OWN_EXTRAS.fullmatch(requirement)
            if own:
                yield from requirements(project, [name.strip() for name in own[1].split(",")])
            else:
                yield requirement


if __name__ == "__main__":
    declared = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    print("\n".join([*declared["dependencies"], *requirements(declared, sys.argv[1:])]))
