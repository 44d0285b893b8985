"""What each image must be. A rule gives a sentence for each thing that is wrong."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.deploy.docker.dockerfile import Dockerfile
from tests.deploy.rules.environment import SETTINGS_OF_IMAGE, variables
from tests.deploy.rules.images import project_version

ROOT = Path(__file__).parents[3]
Findings = Iterator[str]
Rule = Callable[[Dockerfile], Findings]
EXTRAS = {
    "encoder": ["encoder", "starter"],
    "encoder-cuda": ["encoder", "starter-torch"],
    "retriever": ["retriever"],
    "generator": ["generator"],
    "gateway": ["gateway", "s3"],
    "workers": ["workers", "tables", "video", "captions", "ocr", "s3"],
    "cli": ["cli", "operations", "tables", "s3"],
}
"""Every image, and the extras whose packages it has."""
_FOREIGN = {
    *("PATH", "HOME", "LANG", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"),
    *("HF_HOME", "HF_TOKEN_PATH", "HF_HUB_DISABLE_TELEMETRY"),
    *("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
}
_NO_WRITES = {"PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp", "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
_WITHOUT_HEALTH = {"cli"}


def every_deployable_has_an_image(file: Dockerfile) -> Findings:
    """The images are those that are expected; each extra of the project is in one, or stays out for a reason."""
    if set(file.targets()) != set(EXTRAS):
        yield f"images {sorted(file.targets())} instead of {sorted(EXTRAS)}"
    declared = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    )
    # The embedded store and the local model for captions are for one machine; `up` and `dev` are collections.
    for extra in (
        declared - {"store", "captions-local", "up", "dev"} - {name for names in EXTRAS.values() for name in names}
    ):
        yield f"the extra {extra} is in no image"


def only_its_own_packages(file: Dockerfile) -> Findings:
    """An image has one environment, with its extras and no other's."""
    for target in file.targets():
        stages = [stage for stage in file.copied_from(target) if stage.startswith("packages-")]
        extras = [file.extras(stage) for stage in stages]
        if extras != [EXTRAS.get(target)]:
            yield f"{target} has the packages of {extras}"


def packages_are_pinned(file: Dockerfile) -> Findings:
    """pip takes the versions of constraints.txt; our own code comes without any."""
    for stage in file.stages.values():
        for each in stage.instructions:
            installs = re.search(r"\bpip (\S+ )*install\b", each.text)
            if installs and not re.search(r"--constraint constraints\.txt|--no-deps", each.text):
                yield f"{stage.name} installs without constraints"


def nothing_to_build_with_is_left(file: Dockerfile) -> Findings:
    """Nothing is installed in an image; Python's own pip goes."""
    for target in file.targets():
        runs = " ".join(each.text for each in file.all_of(target, "RUN"))
        if re.search(r"\b(pip3?|apt-get|apt|apk) (\S+ )*install\b", runs):
            yield f"{target} installs something"
        if not all(path in runs for path in ("/site-packages/*", "/ensurepip", "/usr/local/bin/pip*")):
            yield f"{target} keeps pip"


def base_is_slim_and_pinned(file: Dockerfile) -> Findings:
    """Every image below ours has a whole version."""
    for stage in file.stages.values():
        image = file.base_image(stage.name)
        if not re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", image):
            yield f"{stage.name} is based on {image}"


def user_is_unprivileged(file: Dockerfile) -> Findings:
    """A number, so that Kubernetes can see that it is not root."""
    for target in file.targets():
        user = file.last(target, "USER")
        if user is None or user.text != "10001:10001":
            yield f"{target} runs as {user.text if user else 'root'}"


def nothing_is_written(file: Dockerfile) -> Findings:
    """The root may be read-only."""
    for target in file.targets():
        environment = file.environment(target)
        for name, value in _NO_WRITES.items():
            if environment.get(name) != value:
                yield f"{target} has {name}={environment.get(name)}"
        for name in ("HF_HOME", "IMAGERAG_WORKERS_HEARTBEAT_PATH"):
            if name in environment and not environment[name].startswith("/tmp/"):
                yield f"{target} writes to {environment[name]}"


def commands_are_exec_form_and_there(file: Dockerfile) -> Findings:
    """Entry point and health check reach the process itself, and name modules of ours."""
    for target in file.targets():
        entry, health = file.last(target, "ENTRYPOINT"), file.health_check(target)
        if health is None and target not in _WITHOUT_HEALTH:
            yield f"{target} has no health check"
        for what, command in (("entry point", entry), ("health check", health)):
            if command is None:
                if what == "entry point":
                    yield f"{target} has no entry point"
                continue
            words = command.exec_form()
            if words is None:
                yield f"{target}'s {what} is written for a shell"
            elif words[0] == "python" and not _is_module(words[2]):
                yield f"{target}'s {what} names {words[2]}, which is no module"
            elif words[0] not in ("python", "imagerag"):
                yield f"{target}'s {what} starts {words[0]}"
        if entry is not None and file.last(target, "CMD") is not None:
            yield f"{target} has a CMD beside its entry point"


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def variables_are_settings(file: Dockerfile) -> Findings:
    """A variable of an image is a field of its service, or one of a program that is known."""
    for target in file.targets():
        known = variables(SETTINGS_OF_IMAGE[f"imagerag-{target}"]) | _FOREIGN
        for name in set(file.environment(target)) - known:
            yield f"{target} sets {name}, which nothing reads"


def labels_are_whole(file: Dockerfile) -> Findings:
    """Title, description, licence, and the version of the project."""
    wanted = {"title", "description", "licenses", "version", "revision", "vendor"}
    for target in file.targets():
        labels = file.labels(target)
        missing = {name for name in wanted if f"org.opencontainers.image.{name}" not in labels}
        if missing:
            yield f"{target} lacks the labels {sorted(missing)}"
        if labels.get("org.opencontainers.image.title") != f"imagerag-{target}":
            yield f"{target} is titled {labels.get('org.opencontainers.image.title')}"
        versions = [each.text for each in file.all_of(target, "ARG") if each.text.startswith("VERSION=")]
        if (
            versions != [f"VERSION={project_version()}"]
            or labels["org.opencontainers.image.version"] != "${VERSION}"
        ):
            yield f"{target} has the version {versions}, the project {project_version()}"


def stops_by_sigterm(file: Dockerfile) -> Findings:
    """The services drain on SIGTERM."""
    for target in file.targets():
        signal = file.last(target, "STOPSIGNAL")
        if signal is None or signal.text != "SIGTERM":
            yield f"{target} is stopped by {signal.text if signal else 'the default'}"


def no_index_is_named(file: Dockerfile) -> Findings:
    """Where packages come from is the builder's business."""
    for stage in file.stages.values():
        for each in stage.instructions:
            if re.search(r"https?://", each.text):
                yield f"{stage.name} names an address: {each.text[:60]}"
            if each.word == "ARG" and each.text.startswith("TORCH_INDEX="):
                yield f"{stage.name} has a default for TORCH_INDEX"


def copies_are_let_in(file: Dockerfile, ignore: str | None = None) -> Findings:
    """.dockerignore keeps out everything but what is copied."""
    text = ignore if ignore is not None else (ROOT / ".dockerignore").read_text(encoding="utf-8")
    patterns = [line for line in text.splitlines() if line and not line.startswith("#")]
    if patterns[0] != "*":
        yield ".dockerignore does not begin with *"
    let_in = {line[1:] for line in patterns if line.startswith("!")}
    copied = {
        source
        for stage in file.stages.values()
        for each in stage.instructions
        if each.word == "COPY" and not each.text.startswith("--from=")
        for source in each.text.split()[:-1]
    }
    for source in sorted(copied - let_in):
        yield f"{source} is copied and ignored"
    for source in sorted(let_in - copied):
        yield f"{source} goes to the build and is not copied"


IMAGE_RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        every_deployable_has_an_image,
        only_its_own_packages,
        packages_are_pinned,
        nothing_to_build_with_is_left,
        base_is_slim_and_pinned,
        user_is_unprivileged,
        nothing_is_written,
        commands_are_exec_form_and_there,
        variables_are_settings,
        labels_are_whole,
        stops_by_sigterm,
        no_index_is_named,
        copies_are_let_in,
    )
}
