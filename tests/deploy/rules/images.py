"""Images are those of this version, and models those of one revision."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path

from tests.deploy.rules.environment import environment_of
from tests.deploy.rules.manifests import Container, Finding, Findings, Rendered

_PROJECT = Path(__file__).parents[3] / "pyproject.toml"
_VERSION_TAG = re.compile(r"^v?\d+\.\d+(\.\d+)?")
_REVISION = re.compile(r"^[0-9a-f]{40}$")
_FETCH = "services.encoder.weights"


@lru_cache
def project_version() -> str:
    """The version in pyproject.toml."""
    return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])


def images_have_their_version(rendered: Rendered) -> Findings:
    """Our images carry the project's version, others a version and never `latest`."""
    for container in rendered.containers:
        tag = _tag(container)
        if container.image.startswith("imagerag-") and tag != project_version():
            yield Finding(container.subject, f"its image has tag {tag!r}, the project is {project_version()}")
        elif not _VERSION_TAG.match(tag):
            yield Finding(container.subject, f"its image has tag {tag!r}, which is no version")


def _tag(container: Container) -> str:
    return str(container.body["image"]).split("@")[0].split("/")[-1].partition(":")[2]


def models_have_their_revision(rendered: Rendered) -> Findings:
    """A model is the starter in the image, or a folder that a job of the rendering fetches at one commit."""
    fetched = set()
    for container in rendered.containers:
        if _FETCH not in container.arguments:
            continue
        revision = environment_of(rendered, container).get("IMAGERAG_ENCODER_MODEL_REVISION", "")
        folder = container.arguments[container.arguments.index("--to") + 1]
        fetched.add(folder)
        if not _REVISION.match(revision):
            yield Finding(container.subject, f"fetches revision {revision!r}, which is no commit")
        elif not folder.endswith(revision[:8]):
            yield Finding(container.subject, f"fetches {revision} into {folder}, which does not name it")
    for container in rendered.containers:
        if container.image.startswith("imagerag-encoder") and _FETCH not in container.arguments:
            model = environment_of(rendered, container).get("IMAGERAG_ENCODER_MODEL", "starter")
            if model != "starter" and model not in fetched:
                yield Finding(container.subject, f"reads model {model}, which no job fetches")
