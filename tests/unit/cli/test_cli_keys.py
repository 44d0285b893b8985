"""`imagerag keys`: what it prints is what the gateway takes."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.errors import CliError
from services.cli.key_file import append_key
from services.common.api_keys import ApiKey, hash_of, parse_keys


def run(*arguments: str, **variables: str) -> tuple[str, str]:
    """Standard output and standard error.

    Raises:
        CliError: The command's own.
    """
    done = CliRunner().invoke(app, ["keys", *arguments], env={"COLUMNS": "40", **variables})
    if isinstance(done.exception, CliError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def test_the_printed_line_is_that_of_the_printed_key() -> None:
    shown, hint = run(
        "create", "--tenant", "shop", "--scope", "read", "--scope", "admin", "--expires", "2999-01-31"
    )
    secret, line = shown.splitlines()
    (key,) = parse_keys(line)
    assert key.sha256 == hash_of(secret)
    assert (key.tenant, sorted(key.scopes)) == ("shop", ["admin", "read"])
    assert json.loads(line)["expires"] == "2999-01-31"
    assert secret not in line
    assert "cannot be shown again" in hint


def test_a_new_file_is_for_its_owner_alone_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    first, _ = run("create", "--tenant", "shop", "--name", "first", "--file", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("# ours\n" + file.read_text())
    os.chmod(file, 0o640)
    second = json.loads(run("create", "--tenant", "shop", "--file", str(file), "--json")[0])
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert file.read_text().startswith("# ours\n")
    hashes = [key.sha256 for key in parse_keys(file.read_text())]
    assert hashes == [hash_of(first.strip()), hash_of(second["key"])]
    assert first.strip() not in file.read_text()
    assert list(tmp_path.iterdir()) == [file]


def test_list_and_check_never_show_a_hash(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    secret = run("create", "--tenant", "shop", "--name", "first", "--file", str(file))[0].strip()
    listed = run("list", "--json", IMAGERAG_GATEWAY_KEYS_PATH=str(file))[0]
    assert json.loads(listed)["keys"][0]["name"] == "first"
    assert hash_of(secret).hex() not in listed
    found = json.loads(run("check", "--file", str(file), "--json", IMAGERAG_KEY=secret)[0])
    assert found["key"]["name"] == "first"
    with pytest.raises(CliError, match="does not hold this key"):
        run("check", "--file", str(file), "--key", "another")


def test_a_revoked_key_is_gone_and_the_last_one_stays(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    for name in ("first", "second"):
        run("create", "--tenant", "shop", "--name", name, "--file", str(file))
    run("revoke", "first", "--file", str(file))
    assert [key.name for key in parse_keys(file.read_text())] == ["second"]
    with pytest.raises(CliError, match="last key"):
        run("revoke", "second", "--file", str(file))
    with pytest.raises(CliError, match="no key named"):
        run("revoke", "first", "--file", str(file))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "--tenant", "Sh op"), "not a tenant name"),
        (("create", "--tenant", "shop", "--expires", "soon"), "ISO date"),
        (("create", "--tenant", "shop", "--concurrent", "0"), "'concurrent'"),
        (("create", "--tenant", "shop", "--name", "a/b"), "'name'"),
        (("list", "--file", "/no/such/file"), "cannot be read"),
    ],
)
def test_a_mistake_is_explained(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(CliError, match=said):
        run(*arguments)


@pytest.mark.parametrize("content", ["[]", "{half", '{"tenant": "shop"}'])
def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys"
    file.write_text(content)
    new: Any = ApiKey("shop", hash_of("x"), "x")
    with pytest.raises(CliError):
        append_key(file, new)
    assert file.read_text() == content


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    run("create", "--tenant", "shop", "--name", "first", "--file", str(file))
    with pytest.raises(CliError, match="named 'first' already"):
        run("create", "--tenant", "shop", "--name", "first", "--file", str(file))
