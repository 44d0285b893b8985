"""Findings: the same picture and finder give it back, anything else does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.domain import Item, ItemKind
from services.common.errors import UnavailableError
from services.common.objects import LocalObjects
from workers.enrich.enrichment import SeenPicture
from workers.enrich.kept import KeptFindings, version_of

SHA256 = "ab" * 32
ITEM = Item("i", "acme", ItemKind.IMAGE, 1, datetime(2026, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Reading:
    text: str
    words: tuple[str, ...] = ()


class RefusingObjects(LocalObjects):
    """A storage that takes nothing."""

    def put(self, name: str, data: bytes) -> None:
        raise UnavailableError("The object storage does not answer.")


def picture(tenant: str = "acme", sha256: str = SHA256) -> SeenPicture:
    return SeenPicture(tenant, sha256, b"", ITEM)


def kept(root: Path, model: str = "m", name: str = "ocr") -> KeptFindings[Reading]:
    return KeptFindings(LocalObjects(root), name, {"model": model}, Reading)


def spoil(root: Path) -> None:
    (file,) = root.rglob("*.json")
    file.write_text('{"txt": 1}')


async def test_what_was_kept_is_found_by_another_process(tmp_path: Path) -> None:
    reading = Reading("北京 station", ("北京", "station"))
    await kept(tmp_path).keep(picture(), reading)
    assert await kept(tmp_path).find([picture(sha256="cd" * 32), picture()]) == [None, reading]


@pytest.mark.parametrize(
    ("model", "name", "tenant"), [("other", "ocr", "acme"), ("m", "captions", "acme"), ("m", "ocr", "globex")]
)
async def test_another_model_kind_or_tenant_finds_nothing(
    tmp_path: Path, model: str, name: str, tenant: str
) -> None:
    await kept(tmp_path).keep(picture(), Reading("x"))
    assert await kept(tmp_path, model, name).find([picture(tenant)]) == [None]


async def test_an_unreadable_finding_counts_as_none_and_is_replaced(tmp_path: Path) -> None:
    findings = kept(tmp_path)
    await findings.keep(picture(), Reading("old"))
    spoil(tmp_path)
    assert await findings.find([picture()]) == [None]
    await findings.keep(picture(), Reading("new"))
    assert await findings.find([picture()]) == [Reading("new")]


async def test_a_storage_that_takes_nothing_is_no_failure(tmp_path: Path) -> None:
    findings = KeptFindings(RefusingObjects(tmp_path), "ocr", {}, Reading)
    await findings.keep(picture(), Reading("x"))
    assert await findings.find([picture()]) == [None]


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.text()))
def test_the_version_depends_on_the_entries_alone(made_by: dict[str, str]) -> None:
    backwards = dict(reversed(list(made_by.items())))
    assert version_of(made_by) == version_of(backwards)
    assert version_of({**made_by, "one more": "x"}) != version_of({**made_by, "one more": "y"})
