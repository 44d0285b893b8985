import hashlib
import hmac
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.api_keys import ApiKey, Scope, hash_of, line_of
from services.common.errors import UnauthenticatedError
from services.common.settings import SettingsError
from services.gateway import keys as gateway_keys
from services.gateway.keys import FileKeyring, OpenKeyring, find_key


def entry(key: str, tenant: str = "shop") -> ApiKey:
    return ApiKey(tenant, hash_of(key), name=f"{tenant} key")


def line(tenant: str, key: str) -> str:
    return line_of(entry(key, tenant))


@given(st.text(max_size=30), st.text(max_size=30))
def test_only_the_very_key_is_accepted(key: str, other: str) -> None:
    entries = [entry(key)]
    assert find_key(entries, key) == entries[0]
    assert find_key(entries, other) == (entries[0] if other == key else None)


def test_every_entry_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return hmac.compare_digest(a, b)

    class Watched:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(gateway_keys, "hmac", Watched)
    entries = [entry(key) for key in ("first", "second", "third")]
    for presented in ("first", "second", "third", "none of them"):
        compared.clear()
        find_key(entries, presented)
        assert compared == [(key.sha256, hashlib.sha256(presented.encode()).digest()) for key in entries]


def test_the_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(line("shop", "secret"))
    keyring = FileKeyring(path)
    assert keyring.caller_of("Bearer secret").tenant == "shop"
    assert keyring.caller_of("bearer  secret ").name == "shop key"
    for header in (
        None,
        "",
        "secret",
        "Basic secret",
        "Bearer",
        "Bearer wrong",
        f"Bearer {hash_of('secret').hex()}",
    ):
        with pytest.raises(UnauthenticatedError):
            keyring.caller_of(header)


def test_a_changed_file_is_in_force_at_once(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(line("shop", "old"))
    keyring = FileKeyring(path)
    path.write_text("\n".join((line("shop", "old"), line("shop", "new"))))
    assert keyring.caller_of("Bearer new").tenant == "shop"
    replacement = tmp_path / "next"
    replacement.write_text(line("shop", "new"))
    os.replace(replacement, path)
    with pytest.raises(UnauthenticatedError):
        keyring.caller_of("Bearer old")


def test_a_mounted_secret_is_replaced_behind_a_link(tmp_path: Path) -> None:
    for folder, key in (("..1", "old"), ("..2", "new")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "keys").write_text(line("shop", key))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "keys").symlink_to("..data/keys")
    keyring = FileKeyring(tmp_path / "keys")
    (tmp_path / "next").symlink_to("..2")
    os.replace(tmp_path / "next", tmp_path / "..data")
    assert keyring.caller_of("Bearer new").tenant == "shop"


@pytest.mark.parametrize("damage", ["{half a li", ""])
def test_a_broken_file_keeps_the_last_good_keys(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "keys"
    path.write_text(line("shop", "old"))
    keyring = FileKeyring(path)
    path.write_text(damage)
    assert keyring.caller_of("Bearer old").tenant == "shop"


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="IMAGERAG_GATEWAY_KEYS_PATH"):
        FileKeyring(tmp_path / "nowhere")


@pytest.mark.parametrize(("expires", "accepted"), [("2999-01-01", True), ("2020-01-01", False)])
def test_an_expired_key_is_refused(tmp_path: Path, expires: str, accepted: bool) -> None:
    path = tmp_path / "keys"
    path.write_text(line("shop", "key").replace("}", f', "expires": "{expires}"}}'))
    keyring = FileKeyring(path)
    if accepted:
        assert keyring.caller_of("Bearer key").tenant == "shop"
    else:
        with pytest.raises(UnauthenticatedError, match="expired"):
            keyring.caller_of("Bearer key")


def test_a_caller_is_what_its_line_says(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    own: dict[str, Any] = {"scopes": frozenset({Scope.ADMIN}), "requests_per_s": 2.5, "concurrent": 3}
    path.write_text(line_of(ApiKey("shop", hash_of("key"), "Ops", **own)))
    caller = FileKeyring(path).caller_of("Bearer key")
    assert (caller.name, caller.scopes, caller.requests_per_s, caller.concurrent) == ("Ops", *own.values())


def test_without_keys_everyone_may_do_everything() -> None:
    caller = OpenKeyring().caller_of("Bearer whatever")
    assert (caller.tenant, caller.scopes, caller.id) == ("default", frozenset(Scope), "")
