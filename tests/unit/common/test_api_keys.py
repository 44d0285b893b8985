import dataclasses
import json
import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.api_keys import (
    DEFAULT_SCOPES,
    ApiKey,
    Scope,
    hash_of,
    line_of,
    new_key,
    parse_expiry,
    parse_keys,
)

DIGEST = hash_of("x").hex()
names = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=20).filter(
    lambda name: name[0].isalnum()
)
entries = st.builds(
    ApiKey,
    tenant=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True),
    sha256=st.binary(min_size=32, max_size=32),
    name=names,
    scopes=st.frozensets(st.sampled_from(Scope), min_size=1),
    requests_per_s=st.none() | st.floats(0.001, 99_999),
    concurrent=st.none() | st.integers(1, 1000),
    expires=st.none() | st.datetimes(timezones=st.just(UTC)),
)


def line(tenant: str = "shop", key: str = "x", **members: Any) -> str:
    return json.dumps({"tenant": tenant, "sha256": hash_of(key).hex(), **members})


@given(st.lists(entries, min_size=1, max_size=5, unique_by=lambda entry: entry.sha256))
def test_what_is_written_is_read_back(keys: list[ApiKey]) -> None:
    assert parse_keys("\n".join(map(line_of, keys))) == keys


def test_lines_and_lists_say_the_same() -> None:
    both = [line("shop", "one", label="for people"), line("archive", "two", note="the second")]
    lines = f"# keys of the shop\n\n{both[0]}\n{both[1]}\n"
    assert parse_keys(lines) == parse_keys(f"[{','.join(both)}]")
    assert [key.tenant for key in parse_keys(lines)] == ["shop", "archive"]


def test_a_tenant_and_a_hash_are_enough() -> None:
    (key,) = parse_keys(line())
    assert key == ApiKey("shop", hash_of("x"), f"shop-{DIGEST[:8]}", DEFAULT_SCOPES, None, None, None)
    assert Scope.ADMIN not in key.scopes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no key"),
        ("not json", "line 1 is not JSON"),
        ('["x"]', "entry 1 is not an object"),
        ('{"tenant": "shop", "sha256": "abc"}', "entry 1: 'sha256'"),
        (line("../etc"), "not a tenant name"),
        (line(expire="2027-01-01"), "unknown member 'expire'"),
        (line(expires="tomorrow"), "'expires'"),
        (line(scopes=["root"]), "'scopes'"),
        (line(scopes=[]), "'scopes'"),
        (line(scopes="read"), "'scopes'"),
        (line(requests_per_s=0), "'requests_per_s'"),
        (line(requests_per_s=True), "'requests_per_s'"),
        (line(concurrent=1.5), "'concurrent' must be a whole number"),
        (line(name="a\nb"), "'name'"),
        (line() + "\n" + line("rival"), "entry 2 repeats"),
    ],
)
def test_a_wrong_file_is_explained_without_the_hash(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        parse_keys(text)
    assert DIGEST not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "last", "first"),
    [
        ("2027-01-31", "2027-01-31T23:59:59+00:00", "2027-02-01T00:00:00+00:00"),
        ("2027-01-31T12:00:00Z", "2027-01-31T11:59:59+00:00", "2027-01-31T12:00:00+00:00"),
        ("2027-01-31T12:00:00+08:00", "2027-01-31T03:59:59+00:00", "2027-01-31T04:00:00+00:00"),
        ("2027-01-31 12:00:00", "2027-01-31T11:59:59+00:00", "2027-01-31T12:00:00+00:00"),
    ],
)
def test_expiry(text: str, last: str, first: str) -> None:
    key = dataclasses.replace(parse_keys(line())[0], expires=parse_expiry(text))
    assert not key.expired(datetime.fromisoformat(last))
    assert key.expired(datetime.fromisoformat(first))
    assert not dataclasses.replace(key, expires=None).expired(datetime.max.replace(tzinfo=UTC) - timedelta(1))


def test_new_keys_are_long_and_their_own() -> None:
    made = {new_key() for _ in range(100)}
    assert len(made) == 100
    assert all(key.startswith("irk_") and len(key) >= 47 for key in made)
