"""The fetch of a pinned model, with the hub's own client against a hub on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from transformers import CLIPModel

from services.encoder.backends.towers import load_towers
from tests.fixtures.model_hub import REVISION, ModelHub
from tests.fixtures.tiny_clip import save_tiny_clip
from tests.fixtures.tiny_models import FAMILIES
from tests.fixtures.tiny_open_clip import save_tiny_open_clip

Fetch = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_clip(tmp_path_factory.mktemp("models") / "tiny-clip")


@pytest.fixture
def hub(model: Path, tmp_path: Path) -> Iterator[ModelHub]:
    repository = tmp_path / "repository"
    repository.mkdir()
    for path in model.iterdir():
        (repository / path.name).write_bytes(path.read_bytes())
    (repository / "README.md").write_text("A model card.", encoding="utf-8")
    (repository / "tf_model.h5").write_bytes(bytes(1000))
    (repository / "pytorch_model.bin").write_bytes(bytes(1000))
    with ModelHub(repository) as server:
        yield server


@pytest.fixture
def fetch(hub: ModelHub, tmp_path: Path) -> Fetch:
    home = tmp_path / "home"
    home.mkdir()

    def run(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("IMAGERAG_", "HF_")) and "proxy" not in name.lower()
        }
        own = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "IMAGERAG_ENCODER_MODEL": hub.repository,
            "IMAGERAG_ENCODER_MODEL_REVISION": REVISION,
        }
        command = [sys.executable, "-m", "services.encoder.weights", "--to", str(folder)]
        return subprocess.run(
            command, env=inherited | own | settings, capture_output=True, text=True, check=False, timeout=100
        )

    return run


def test_the_encoder_loads_what_was_fetched(fetch: Fetch, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "volume" / "clip"
    done = fetch(folder)
    assert done.returncode == 0, done.stderr
    assert load_towers(str(folder)).weights == load_towers(str(model)).weights
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "imagerag-weights.json"} <= names
    assert not names & {"README.md", "tf_model.h5", "pytorch_model.bin", ".cache"}


def test_a_second_fetch_asks_the_hub_for_nothing(fetch: Fetch, hub: ModelHub, tmp_path: Path) -> None:
    assert fetch(tmp_path / "clip").returncode == 0
    hub.requests.clear()
    again = fetch(tmp_path / "clip")
    assert again.returncode == 0
    assert "weights_there" in again.stderr
    assert hub.requests == []


@pytest.mark.parametrize("trouble", ["spoilt", "refused"])
def test_a_fetch_that_fails_leaves_no_folder_and_can_be_repeated(
    fetch: Fetch, hub: ModelHub, tmp_path: Path, trouble: str
) -> None:
    files: set[str] = getattr(hub, trouble)
    files.add("model.safetensors")
    failed = fetch(tmp_path / "clip")
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert not (tmp_path / "clip").exists()
    files.clear()
    hub.requests.clear()
    assert fetch(tmp_path / "clip").returncode == 0
    assert not [request for request in hub.requests if request.startswith("GET") and "tokenizer.json" in request]
    assert not list(tmp_path.glob(".clip.*.part"))


def test_a_pickled_model_is_taken_where_there_is_nothing_better(
    fetch: Fetch, hub: ModelHub, model: Path, tmp_path: Path
) -> None:
    (hub.folder / "model.safetensors").unlink()
    torch.save(CLIPModel.from_pretrained(model).state_dict(), hub.folder / "pytorch_model.bin")
    done = fetch(tmp_path / "clip")
    assert done.returncode == 0, done.stderr
    assert load_towers(str(tmp_path / "clip")).weights == load_towers(str(model)).weights


@pytest.mark.parametrize("family", ["siglip", "siglip2", "chinese_clip", "open_clip"])
def test_every_family_loads_from_what_was_fetched(
    fetch: Fetch, hub: ModelHub, tmp_path: Path, family: str
) -> None:
    shutil.rmtree(hub.folder)
    if family == "open_clip":
        save_tiny_open_clip(hub.folder)
    else:
        FAMILIES[family](hub.folder)
    done = fetch(tmp_path / "fetched")
    assert done.returncode == 0, done.stderr
    original, fetched = load_towers(str(hub.folder)), load_towers(str(tmp_path / "fetched"))
    assert fetched.weights == original.weights
    assert fetched.preprocessing == original.preprocessing
    assert fetched.tokenize("a cat, 一只猫") == original.tokenize("a cat, 一只猫")


@pytest.mark.parametrize("family", ["siglip2", "open_clip"])
def test_both_layouts_load_by_their_hub_id(hub: ModelHub, tmp_path: Path, family: str) -> None:
    shutil.rmtree(hub.folder)
    if family == "open_clip":
        save_tiny_open_clip(hub.folder)
    else:
        FAMILIES[family](hub.folder)
    script = "import sys; from services.encoder.backends.towers import load_towers; t = load_towers(sys.argv[1]);"
    home = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", f"{script} print(t.name, t.weights)", hub.repository],
        env=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [hub.repository, load_towers(str(hub.folder)).weights]


def test_a_folder_with_something_else_is_left_alone(fetch: Fetch, tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    refused = fetch(folder)
    assert refused.returncode == 2
    assert "name another folder" in refused.stderr
    assert [path.name for path in folder.iterdir()] == ["config.json"]


def test_a_damaged_folder_is_noticed(fetch: Fetch, tmp_path: Path) -> None:
    assert fetch(tmp_path / "clip").returncode == 0
    (tmp_path / "clip" / "model.safetensors").write_bytes(b"cut")
    refused = fetch(tmp_path / "clip")
    assert refused.returncode == 2
    assert "model.safetensors" in refused.stderr


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"IMAGERAG_ENCODER_MODEL": "/tmp"}, "write the hub id"),
        ({"IMAGERAG_ENCODER_MODEL": "tests/absent"}, "is not on the hub"),
        ({"IMAGERAG_ENCODER_MODEL_REVISION": "f" * 40}, "has no commit"),
        ({"IMAGERAG_ENCODER_MODEL_REVISION": "main"}, "IMAGERAG_ENCODER_MODEL_REVISION"),
    ],
)
def test_what_must_be_changed_is_named(fetch: Fetch, tmp_path: Path, settings: dict[str, str], text: str) -> None:
    refused = fetch(tmp_path / "clip", **settings)
    assert refused.returncode == 2, refused.stderr
    assert text in refused.stderr
    assert not (tmp_path / "clip").exists()


def test_the_starter_needs_no_fetching(fetch: Fetch, hub: ModelHub, tmp_path: Path) -> None:
    assert fetch(tmp_path / "clip", IMAGERAG_ENCODER_MODEL="starter").returncode == 0
    assert not (tmp_path / "clip").exists()
    assert hub.requests == []


def test_a_hub_out_of_reach_is_worth_another_try(fetch: Fetch, tmp_path: Path) -> None:
    failed = fetch(tmp_path / "clip", HF_ENDPOINT="http://127.0.0.1:9")
    assert failed.returncode == 1
    assert "does not answer" in failed.stderr
