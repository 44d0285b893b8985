"""The Dockerfile holds every rule, and each rule sees the thing that it is for."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.deploy.docker.dockerfile import Dockerfile
from tests.deploy.docker.image_rules import EXTRAS, IMAGE_RULES, ROOT, copies_are_let_in
from tests.deploy.rendering import PROGRAMS

DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
TEXT = DOCKERFILE.read_text(encoding="utf-8")
MUTATIONS = {
    "every_deployable_has_an_image": (r"FROM runtime AS cli\n", "FROM runtime AS tools\n"),
    "only_its_own_packages": (r"requirements\.py gateway s3 >", "requirements.py gateway s3 encoder >"),
    "packages_are_pinned": (r" --constraint constraints\.txt", ""),
    "nothing_to_build_with_is_left": (r" /usr/local/bin/pip\*", ""),
    "base_is_slim_and_pinned": (r"python:3\.11\.\d+-slim-trixie", "python:3.11"),
    "user_is_unprivileged": (r"USER 10001:10001", "USER imagerag"),
    "nothing_is_written": (r"    PYTHONDONTWRITEBYTECODE=1 \\\n", ""),
    "commands_are_exec_form_and_there": (
        r'ENTRYPOINT \["python", "-m", "workers"\]',
        "ENTRYPOINT python -m workers",
    ),
    "variables_are_settings": (r"IMAGERAG_RETRIEVER_PORT=", "IMAGERAG_RETRIEVER_PROT="),
    "labels_are_whole": (r"ARG VERSION=.*", "ARG VERSION=0.0.9"),
    "stops_by_sigterm": (r"STOPSIGNAL SIGTERM\n", ""),
    "no_index_is_named": (r"ARG TORCH_INDEX\n", "ARG TORCH_INDEX=https://index.example.com\n"),
    "copies_are_let_in": (r"COPY services services", "COPY services tests ./"),
}


@pytest.mark.parametrize("rule", IMAGE_RULES)
def test_the_images_hold_the_rule(rule: str) -> None:
    assert list(IMAGE_RULES[rule](Dockerfile(TEXT))) == []


@pytest.mark.parametrize("rule", IMAGE_RULES)
def test_the_rule_sees_what_it_is_for(rule: str) -> None:
    pattern, replacement = MUTATIONS[rule]
    mutated, times = re.subn(pattern, replacement, TEXT)
    assert times
    assert list(IMAGE_RULES[rule](Dockerfile(mutated)))


def test_an_open_dockerignore_is_seen() -> None:
    assert list(copies_are_let_in(Dockerfile(TEXT), ignore="# all of it\n__pycache__\n"))


@pytest.mark.parametrize("module", ["services.nowhere", "workers.tasks2"])
def test_a_missing_module_is_seen(module: str) -> None:
    mutated = TEXT.replace('"-m", "services.gateway"', f'"-m", "{module}"')
    assert list(IMAGE_RULES["commands_are_exec_form_and_there"](Dockerfile(mutated)))


def hadolint(path: Path) -> str:
    done = subprocess.run(
        [PROGRAMS / "hadolint", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


def test_hadolint_is_content(tmp_path: Path) -> None:
    assert hadolint(DOCKERFILE) == ""
    worse = tmp_path / "Dockerfile"
    worse.write_text(
        TEXT.replace("ARG PYTHON_IMAGE=python:3", "ARG X=3").replace("${PYTHON_IMAGE}", "python"), encoding="utf-8"
    )
    assert "DL3006" in hadolint(worse)


@pytest.mark.parametrize("target", EXTRAS)
def test_the_requirements_are_those_of_the_extras(target: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    script = ROOT / "deploy" / "docker" / "requirements.py"
    done = subprocess.run(
        [sys.executable, str(script), *EXTRAS[target]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    wanted = list(project["dependencies"])
    for extra in EXTRAS[target]:
        wanted += project["optional-dependencies"][extra]
    assert done.stdout.split("\n")[:-1] == wanted


def test_an_extra_of_extras_is_followed() -> None:
    script = ROOT / "deploy" / "docker" / "requirements.py"
    done = subprocess.run(
        [sys.executable, str(script), "up"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "imagerag[" not in done.stdout
    assert {"onnxruntime>=1.22", "honcho>=2.0"} <= set(done.stdout.split())


def test_make_builds_every_image() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.search(r"^IMAGES \?= (.*)$", makefile, re.MULTILINE)
    assert found is not None
    assert set(found[1].split()) == set(EXTRAS)
