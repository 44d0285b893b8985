"""Secrets from files: Docker's and Kubernetes' way to hand them over."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.common import settings as module
from services.common.settings import ServiceSettings, SettingsError, load_settings


class DoorSettings(ServiceSettings):
    """As a deployable has them: a shared variable by alias, and one of its own by prefix."""

    model_config = SettingsConfigDict(env_prefix="IMAGERAG_DOOR_")

    url: str = Field(default="redis://127.0.0.1", pattern="^rediss?://", validation_alias="BROKER_URL")
    """The broker."""
    pin: SecretStr | None = None
    """Opens the door."""


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "DEFAULT_SECRETS_FOLDER", tmp_path / "absent")
    for name in ("BROKER_URL", "IMAGERAG_DOOR_PIN", "IMAGERAG_SECRETS_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    made.mkdir()
    return made


def test_a_file_sets_the_variable_of_its_name(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("IMAGERAG_SECRETS_DIR", str(folder))
    (folder / "BROKER_URL").write_text("redis://:s3cret@broker:6379/0\n", encoding="utf-8")
    (folder / "IMAGERAG_DOOR_PIN").write_text("1234\n", encoding="utf-8")
    (folder / "keys.jsonl").write_text("not a variable\n", encoding="utf-8")
    settings = load_settings(DoorSettings)
    assert settings.url == "redis://:s3cret@broker:6379/0"
    assert settings.pin is not None
    assert settings.pin.get_secret_value() == "1234"


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("IMAGERAG_SECRETS_DIR", str(folder))
    monkeypatch.setenv("BROKER_URL", "redis://environment")
    (folder / "BROKER_URL").write_text("redis://file", encoding="utf-8")
    assert load_settings(DoorSettings).url == "redis://environment"


def test_the_usual_folder_is_read_where_it_exists(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert load_settings(DoorSettings).url == "redis://127.0.0.1"
    monkeypatch.setattr(module, "DEFAULT_SECRETS_FOLDER", folder)
    (folder / "BROKER_URL").write_text("redis://file", encoding="utf-8")
    assert load_settings(DoorSettings).url == "redis://file"


def test_kubernetes_links_into_its_own_folder_are_followed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "..2031_05_01").mkdir()
    (folder / "..2031_05_01" / "BROKER_URL").write_text("redis://mounted", encoding="utf-8")
    (folder / "..data").symlink_to("..2031_05_01")
    (folder / "BROKER_URL").symlink_to("..data/BROKER_URL")
    monkeypatch.setenv("IMAGERAG_SECRETS_DIR", str(folder))
    assert load_settings(DoorSettings).url == "redis://mounted"


def test_a_folder_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("IMAGERAG_SECRETS_DIR", str(folder / "typo"))
    with pytest.raises(SettingsError, match=r"IMAGERAG_SECRETS_DIR: .*typo is no folder"):
        load_settings(DoorSettings)


def test_a_wrong_value_is_named_and_never_shown(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("IMAGERAG_SECRETS_DIR", str(folder))
    (folder / "BROKER_URL").write_text("amqp://:s3cret@broker", encoding="utf-8")
    with pytest.raises(SettingsError, match="BROKER_URL") as raised:
        load_settings(DoorSettings)
    assert "s3cret" not in str(raised.value)
