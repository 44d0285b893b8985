import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import UnauthenticatedError
from services.common.settings import SettingsError
from services.gateway.keys import FileKeyring, KeyEntry, find_tenant, parse_keys


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def line(tenant: str, key: str) -> str:
    return json.dumps({"tenant": tenant, "sha256": digest(key), "label": "for people"})


def test_lines_and_lists_say_the_same() -> None:
    lines = f"# keys of the shop\n\n{line('shop', 'one')}\n{line('archive', 'two')}\n"
    as_list = json.dumps([json.loads(line("shop", "one")), json.loads(line("archive", "two"))])
    assert parse_keys(lines) == parse_keys(as_list)
    assert [entry.tenant for entry in parse_keys(lines)] == ["shop", "archive"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no key"),
        ("not json", "line 1 is not JSON"),
        ('{"tenant": "shop", "sha256": "abc"}', "entry 1"),
        ('{"tenant": "../etc", "sha256": "' + digest("x") + '"}', "not a tenant name"),
        ('["x"]', "entry 1 is not an object"),
    ],
)
def test_a_wrong_file_is_explained_without_the_hash(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        parse_keys(text)
    assert digest("x") not in str(raised.value)


@given(st.text(max_size=30), st.text(max_size=30))
def test_only_the_very_key_is_accepted(key: str, other: str) -> None:
    entries = [KeyEntry("shop", hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest())]
    assert find_tenant(entries, key) == "shop"
    assert find_tenant(entries, other) == ("shop" if other == key else None)


def test_the_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(line("shop", "secret"))
    keyring = FileKeyring(path)
    assert keyring.tenant_of("Bearer secret") == "shop"
    assert keyring.tenant_of("bearer  secret ") == "shop"
    for header in (None, "", "secret", "Basic secret", "Bearer", "Bearer wrong", f"Bearer {digest('secret')}"):
        with pytest.raises(UnauthenticatedError):
            keyring.tenant_of(header)


def test_a_changed_file_is_in_force_at_once(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(line("shop", "old"))
    keyring = FileKeyring(path)
    path.write_text("\n".join((line("shop", "old"), line("shop", "new"))))
    assert keyring.tenant_of("Bearer new") == "shop"
    replacement = tmp_path / "next"
    replacement.write_text(line("shop", "new"))
    os.replace(replacement, path)
    with pytest.raises(UnauthenticatedError):
        keyring.tenant_of("Bearer old")


def test_a_broken_file_keeps_the_last_good_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(line("shop", "old"))
    keyring = FileKeyring(path)
    path.write_text("{half a li")
    assert keyring.tenant_of("Bearer old") == "shop"


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="IMAGERAG_GATEWAY_KEYS_PATH"):
        FileKeyring(tmp_path / "nowhere")
