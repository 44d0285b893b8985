"""Tells .ci/check-images what an image is: its extras, its variables and a command that composes all and ends."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.deploy.docker.dockerfile import Dockerfile

_DOCKERFILE = Path(__file__).parents[3] / "deploy" / "docker" / "Dockerfile"
_PROOF = """
import os, runpy, sys
for folder in ("/", "/opt/code", "/opt/venv", "/models", "/var/tmp"):
    try:
        open(os.path.join(folder, "written"), "w").close()
    except OSError:
        continue
    sys.exit("could write to " + folder)
for folder in ("/tmp", "/data"):
    open(os.path.join(folder, "written"), "w").close()
assert os.getuid() == 10001
try:
    import pip
except ImportError:
    pass
else:
    if not pip.__file__.startswith("/usr"):
        sys.exit("pip is there: " + pip.__file__)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Sees that the root is read-only before it starts the module; a write of the module itself then fails, too."""


def extras(file: Dockerfile, target: str) -> list[str]:
    """The extras of an image."""
    stages = [stage for stage in file.copied_from(target) if stage.startswith("packages-")]
    return [extra for stage in stages for extra in file.extras(stage)]


def command(file: Dockerfile, target: str) -> list[str]:
    """The entry point with `--check`: it opens everything, and serves nothing."""
    entry = file.last(target, "ENTRYPOINT")
    words = (entry.exec_form() if entry else None) or []
    if words[0] == "python":
        return ["python", "-c", _PROOF, *words[2:], "--check"]
    return ["python", "-c", _PROOF, "services.cli", "--help"]


def environment(file: Dockerfile, target: str) -> dict[str, str]:
    """The variables of an image; no keys: the gateway answers this machine only."""
    return file.environment(target) | {
        "IMAGERAG_GATEWAY_HOST": "127.0.0.1",
        "IMAGERAG_ENCODER_DEVICE": "cpu",
    }


def main() -> None:
    """Print what is asked for; lists of words with a zero byte after each."""
    file = Dockerfile(_DOCKERFILE.read_text(encoding="utf-8"))
    match sys.argv[1:]:
        case ["targets"]:
            print("\n".join(target for target in file.targets() if target != "encoder-cuda"))
        case ["extras", target]:
            print(" ".join(extras(file, target)))
        case ["command", target]:
            print("".join(word + "\0" for word in command(file, target)), end="")
        case ["environment", target]:
            print("".join(f"{name}={value}\0" for name, value in environment(file, target).items()), end="")


if __name__ == "__main__":
    main()
