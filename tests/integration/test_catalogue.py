"""Items with their vectors out of one cluster and into another: over gRPC, REST and the command line's code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.cli.catalogue import importing
from services.cli.catalogue.exporting import Exported, export
from services.cli.catalogue.header import Header
from services.cli.catalogue.importing import ImportReport, import_file
from services.cli.errors import CliError
from services.common.catalogue import CatalogueEntry, SemanticVectors, VectorContract
from services.common.domain import IndexedItem, ItemVectors, Vector
from services.common.errors import FingerprintMismatchError, InvalidRequestError
from services.common.index.ids import item_id
from services.common.revision import revision_at
from tests.fixtures.api_keys import bearer
from tests.fixtures.catalogue_site import KEYS, OTHER, REVISION, SHOP, Site, catalogue_site
from tests.fixtures.colour_encoder import ColourEncoder


@pytest.fixture
async def site(qdrant_url: str, collection_name: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with catalogue_site(qdrant_url, collection_name, tmp_path / "one") as running:
        yield running


@pytest.fixture
async def target(qdrant_url: str, collection_name: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with catalogue_site(qdrant_url, f"{collection_name}-two", tmp_path / "two") as running:
        yield running


def contract_of(site: Site) -> VectorContract:
    contract = site.contract()
    semantic = contract.semantic
    return VectorContract(
        contract.joint,
        contract.dim,
        contract.bm25,
        SemanticVectors(semantic.fingerprint, semantic.dim) if semantic else None,
    )


async def exported(site: Site, path: Path, tenant: str = SHOP, *, with_vectors: bool = True) -> Exported:
    def run() -> Exported:
        with site.rest(tenant) as client:
            return export(client, path, with_vectors=with_vectors, progressed=lambda done, total: None)

    return await asyncio.to_thread(run)


async def imported(site: Site, path: Path, tenant: str = SHOP, from_row: int = 1) -> ImportReport:
    def run() -> ImportReport:
        with site.rest(tenant) as client:
            return import_file(client, path, from_row=from_row, progressed=lambda done, total: None)

    return await asyncio.to_thread(run)


def assert_same(found: Sequence[IndexedItem], expected: Sequence[IndexedItem]) -> None:
    by_id = {each.item.id: each for each in expected}
    assert {each.item.id for each in found} == set(by_id)
    for each in found:
        other = by_id[each.item.id]
        assert each.item == other.item
        assert (each.job_id, each.line) == (other.job_id, other.line)
        assert_same_vectors(each.vectors, other.vectors)


def assert_same_vectors(found: ItemVectors, expected: ItemVectors) -> None:
    for one, two in (
        (found.image, expected.image),
        (found.text, expected.text),
        (found.semantic, expected.semantic),
    ):
        assert (one is None) == (two is None)
        if one is not None and two is not None:
            np.testing.assert_allclose(one, two, atol=1e-6)
    assert dict(zip(*_words(found), strict=True)) == pytest.approx(dict(zip(*_words(expected), strict=True)))


def _words(vectors: ItemVectors) -> tuple[Sequence[int], Sequence[float]]:
    return (vectors.bm25.indices, vectors.bm25.values) if vectors.bm25 else ((), ())


async def test_a_collection_moves_whole_to_another_cluster(site: Site, target: Site, tmp_path: Path) -> None:
    items = await site.fill(523)
    await site.fill(3, OTHER)
    written = await exported(site, tmp_path / "all.parquet")
    assert written.items == 523
    for each in items:
        assert each.item.media
        target.media.put(SHOP, site.media.get(SHOP, each.item.media.sha256))
    report = await imported(target, tmp_path / "all.parquet")
    assert (report.rows, report.stored, report.kept, report.failed, report.missing_pictures) == (
        523,
        523,
        0,
        [],
        set(),
    )
    assert_same(await target.stored(), items)
    assert await target.stored(OTHER) == []


async def test_importing_again_changes_nothing_and_newer_things_stay(site: Site, tmp_path: Path) -> None:
    items = await site.fill(30)
    path = tmp_path / "all.parquet"
    await exported(site, path)
    again = await imported(site, path)
    assert (again.stored, again.kept) == (0, 30)
    collection = await site.index.resolve()
    assert collection
    newer = site.whole(3, revision=REVISION + 1000)
    await site.index.take_over(collection, SHOP, [newer])
    await site.index.delete(collection, SHOP, items[4].item.id, REVISION + 1000)
    older = [site.whole(number, revision=REVISION - 1000) for number in (5, 6)]
    await site.index.take_over(collection, SHOP, older)
    report = await imported(site, path)
    assert (report.stored, report.kept) == (0, 30)
    found = {each.item.key: each.item.revision for each in await site.stored()}
    assert len(found) == 29
    assert found["key 3"] == newer.item.revision


async def test_what_is_older_is_written_over_even_if_it_is_newer_than_others(site: Site, target: Site) -> None:
    """One call carries items of many revisions; each is judged by its own."""
    collection = await target.index.ensure(target.contract())
    standing = [target.whole(number, revision=REVISION + 50) for number in range(0, 40, 10)]
    await target.index.take_over(collection, SHOP, standing)
    entries = [CatalogueEntry(target.whole(number, revision=REVISION + 49)) for number in range(0, 40, 10)]
    # Revisions 49, 50, 51, 52 above REVISION meet 50, 51, 52, 53: nothing is newer.
    assert [each.stored for each in await target.catalogue.take(SHOP, contract_of(target), entries)] == [False] * 4
    mixed = [
        CatalogueEntry(target.whole(number, revision=REVISION + 50 + step))
        for number, step in ((0, -5), (10, 5), (20, 0), (30, 6), (5, 0))
    ]
    answers = await target.catalogue.take(SHOP, contract_of(target), mixed)
    assert [each.stored for each in answers] == [False, True, False, True, True]
    found = {each.item.key: each.item.revision - REVISION for each in await target.stored()}
    assert found == {"key 0": 50, "key 10": 56, "key 20": 52, "key 30": 59, "key 5": 50}


async def test_under_another_tenant_ids_and_links_are_its_own(site: Site, target: Site, tmp_path: Path) -> None:
    await site.fill(5)
    await exported(site, tmp_path / "all.parquet")
    report = await imported(target, tmp_path / "all.parquet", OTHER)
    assert report.stored == 5
    assert len(report.missing_pictures) == 5
    found = {each.item.key: each.item for each in await target.stored(OTHER)}
    assert {item.id for item in found.values()} == {item_id(OTHER, f"key {number}") for number in range(5)}
    links = {item.duplicate_of.item_id for item in found.values() if item.duplicate_of}
    assert links == {item_id(OTHER, "key 0")}
    assert await target.stored(SHOP) == []


async def test_another_model_is_refused_with_both_names(
    site: Site, qdrant_url: str, collection_name: str, tmp_path: Path
) -> None:
    await site.fill(2)
    path = tmp_path / "all.parquet"
    await exported(site, path)
    other = ColourEncoder(fingerprint="others@9")
    async with catalogue_site(qdrant_url, f"{collection_name}-x", tmp_path / "x", other) as empty:
        with pytest.raises(CliError) as raised:
            await imported(empty, path)
        assert raised.value.code == "fingerprint_mismatch"
        assert "others@9" in raised.value.message
        assert site.encoder.fingerprint in raised.value.message
        assert await empty.index.resolve() is None
        await empty.fill(1)
        with pytest.raises(FingerprintMismatchError):
            await empty.catalogue.take(SHOP, contract_of(site), [])


async def test_semantic_vectors_move_too(qdrant_url: str, collection_name: str, tmp_path: Path) -> None:
    path = tmp_path / "all.parquet"
    async with catalogue_site(
        qdrant_url, collection_name, tmp_path / "one", ColourEncoder(semantic="meanings@1")
    ) as one:
        items = await one.fill(4)
        await exported(one, path)
    async with catalogue_site(
        qdrant_url, f"{collection_name}-2", tmp_path / "two", ColourEncoder(semantic="meanings@1")
    ) as two:
        assert (await imported(two, path)).stored == 4
        assert_same(await two.stored(), items)


async def test_an_import_that_was_cut_short_goes_on(
    site: Site, target: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_CALL_ITEMS", 10)
    items = await site.fill(35)
    path = tmp_path / "all.parquet"
    await exported(site, path)
    damaged = [
        row if number < 20 else {**row, "key": ""} for number, row in enumerate(pq.read_table(path).to_pylist())
    ]
    pq.write_table(pa.Table.from_pylist(damaged, pq.read_schema(path)), tmp_path / "cut.parquet")
    with pytest.raises(CliError) as raised:
        await imported(target, tmp_path / "cut.parquet")
    assert raised.value.fix.endswith("Then go on with --from-row 21.")
    assert len(await target.stored()) == 20
    report = await imported(target, path, from_row=21)
    assert (report.rows, report.stored, report.kept) == (15, 15, 0)
    assert_same(await target.stored(), items)


async def test_a_damaged_file_is_noticed(site: Site, target: Site, tmp_path: Path) -> None:
    await site.fill(50)
    path = tmp_path / "all.parquet"
    await exported(site, path)
    data = bytearray(path.read_bytes())
    schema = pq.ParquetFile(path)
    column = schema.schema_arrow.names.index("image_vector")
    place = schema.metadata.row_group(0).column(column).data_page_offset
    data[place + 60] ^= 1
    path.write_bytes(data)
    with pytest.raises(CliError) as raised:
        await imported(target, path)
    assert raised.value.code == "damaged_file"
    assert await target.stored() == []


async def test_the_file_can_be_read_by_anyone(site: Site, tmp_path: Path) -> None:
    items = await site.fill(3)
    path = tmp_path / "words.parquet"
    written = await exported(site, path, with_vectors=False)
    table = pq.read_table(path)
    assert table.num_rows == 3
    assert not [name for name in table.column_names if "vector" in name or "bm25" in name]
    row = next(row for row in table.to_pylist() if row["key"] == "key 1")
    first = items[1].item
    assert (row["title"], row["page"], row["box"], row["caption_keywords"]) == (
        first.title,
        2,
        [0.0, 0.25, 0.5, 1.0],
        ["k1", "k2"],
    )
    assert row["ingested_at"] == first.ingested_at
    assert Header.from_metadata(table.schema.metadata) == written.header
    with pytest.raises(CliError) as raised:
        await imported(site, path)
    assert raised.value.code == "no_vectors"


async def test_vectors_are_columns_of_a_fixed_length(site: Site, tmp_path: Path) -> None:
    items = {each.item.key: each for each in await site.fill(3)}
    await exported(site, tmp_path / "v.parquet")
    table = pq.read_table(tmp_path / "v.parquet")
    assert table.schema.field("image_vector").type == pa.list_(pa.float32(), 3)
    for row in table.to_pylist():
        image: Vector | None = items[row["key"]].vectors.image
        assert image is not None
        np.testing.assert_allclose(row["image_vector"], image, atol=1e-6)


async def test_nothing_stored_is_said_and_no_file_left(site: Site, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(CliError) as raised:
        await exported(site, tmp_path / "out" / "none.parquet")
    assert raised.value.code == "nothing_stored"
    assert list((tmp_path / "out").iterdir()) == []


async def test_an_export_that_fails_leaves_the_old_file(site: Site, tmp_path: Path) -> None:
    await site.fill(300)
    path = tmp_path / "out" / "all.parquet"
    path.parent.mkdir()
    path.write_bytes(b"old")

    def stop(done: int, total: int) -> None:
        raise RuntimeError(f"{done} of {total}")

    def run() -> None:
        with site.rest() as client:
            export(client, path, with_vectors=True, progressed=stop)

    with pytest.raises(RuntimeError, match="100 of 300"):
        await asyncio.to_thread(run)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


async def test_a_wrong_item_is_told_and_the_others_go_in(site: Site) -> None:
    good, short, late, keyless = (site.whole(number) for number in range(4))
    future = revision_at(datetime.now(UTC) + timedelta(hours=1))
    entries = [
        CatalogueEntry(good),
        CatalogueEntry(replace(short, vectors=replace(short.vectors, image=np.ones(2, np.float32)))),
        CatalogueEntry(replace(late, item=replace(late.item, revision=future))),
        CatalogueEntry(replace(keyless, item=replace(keyless.item, key=""))),
    ]
    answers = await site.catalogue.take(SHOP, contract_of(site), entries)
    assert [each.stored for each in answers] == [True, False, False, False]
    assert [each.error.code if each.error else "" for each in answers] == [
        "",
        "invalid_vector",
        "invalid_request",
        "invalid_request",
    ]


async def test_without_a_revision_it_is_a_new_write(site: Site) -> None:
    await site.fill(1)
    entry = CatalogueEntry(site.whole(0, revision=0))
    (answer,) = await site.catalogue.take(SHOP, contract_of(site), [entry])
    assert answer.stored
    (found,) = await site.stored()
    assert found.item.revision > REVISION


async def test_pages_of_large_items_are_shorter(site: Site, tmp_path: Path) -> None:
    collection = await site.index.ensure(site.contract())
    large = []
    for number in range(40):
        whole = site.whole(number)
        large.append(replace(whole, item=replace(whole.item, ocr_text=f"{number} " + "字" * 300_000)))
    for start in range(0, 40, 10):
        await site.index.take_over(collection, SHOP, large[start : start + 10])
    page = await site.catalogue.page(SHOP, "", 100, with_vectors=False)
    assert 1 < len(page.entries) < 40
    written = await exported(site, tmp_path / "large.parquet")
    assert written.items == 40
    assert sorted(
        row["key"] for row in pq.read_table(tmp_path / "large.parquet", columns=["key"]).to_pylist()
    ) == (sorted(each.item.key for each in large))


async def test_a_wrong_page_is_refused(site: Site) -> None:
    await site.fill(1)
    with pytest.raises(InvalidRequestError):
        await site.catalogue.page(SHOP, "no id", 10, with_vectors=False)
    with pytest.raises(InvalidRequestError):
        await site.catalogue.page(SHOP, "", 257, with_vectors=False)


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"key": ""}, 422, "items.0.key"),
        ({"vectors": {"image": "%%"}}, 422, "base64"),
        ({"vectors": {"image": "AAA="}}, 422, "float32"),
        ({"vectors": {"bm25": {"indices": [2**32], "values": [1.0]}}}, 422, "indices"),
        ({"revision": 2**53}, 422, "revision"),
        ({"media": {"sha256": "x", "mime": "", "width": 1, "height": 1}}, 422, "sha256"),
        ({"position": {"page": 0}}, 422, "page"),
        ({"unknown": 1}, 422, "unknown"),
        ({"ingested_at": "soon"}, 422, "ingested_at"),
    ],
)
async def test_a_malformed_body_is_explained(site: Site, change: dict[str, Any], status: int, words: str) -> None:
    await site.fill(1)
    async with httpx.AsyncClient(base_url=site.url, headers=bearer(KEYS[SHOP]), trust_env=False) as client:
        page = (await client.get("/v1/catalogue", params={"vectors": True})).json()
        body = {"contract": page["contract"], "items": [page["items"][0] | change]}
        answer = await client.post("/v1/catalogue", json=body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


async def test_what_was_listed_can_be_sent_as_it_is(site: Site) -> None:
    await site.fill(3)
    async with httpx.AsyncClient(base_url=site.url, headers=bearer(KEYS[SHOP]), trust_env=False) as client:
        page = (await client.get("/v1/catalogue", params={"vectors": True, "limit": 2})).json()
        assert (page["total"], len(page["items"])) == (3, 2)
        rest = (await client.get("/v1/catalogue", params={"cursor": page["next"]})).json()
        assert (rest["total"], len(rest["items"]), rest["next"]) == (None, 1, None)
        assert rest["items"][0]["vectors"] is None
        answer = await client.post("/v1/catalogue", json={"contract": page["contract"], "items": page["items"]})
    assert answer.json() == {"stored": 0, "kept": 2, "failed": [], "missing_pictures": []}
