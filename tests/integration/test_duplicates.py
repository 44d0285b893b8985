"""Duplicates through the workers' own composition, over a real broker, store and gRPC encoder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from PIL import Image

from services.common.domain import DuplicateKind, Position
from services.common.jobs.records import DuplicateCounts, ManifestLine
from services.common.revision import RevisionClock
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.photos import CAT, COFFEE, ROCKET
from tests.fixtures.store import StoreProcess
from tests.fixtures.two_workers import Bench, changed, two_workers


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Addresses of a broker and a store; tests keep apart by tenant."""
    folder = tmp_path_factory.mktemp("duplicates")
    with ValkeyProcess(folder / "broker") as broker, StoreProcess(folder / "store" / "data") as store:
        yield broker.url, store.url


@pytest.fixture
async def bench(tmp_path: Path, servers: tuple[str, str]) -> AsyncIterator[Bench]:
    """Two workers' services in this process."""
    async with two_workers(tmp_path, *servers) as opened:
        yield opened


async def test_a_job_that_asks_for_nothing_keeps_every_item(bench: Bench) -> None:
    job = bench.accept(bench.line("a", CAT), bench.line("b", CAT))
    assert await bench.run(job) is None
    assert bench.done(job) == ["stored", "stored"]
    assert bench.ledger.progress(bench.tenant, job.id).duplicates == DuplicateCounts()


async def test_the_same_bytes_are_linked_to_the_first(bench: Bench) -> None:
    lines = [bench.line(name, CAT) for name in "abc"]
    job = bench.accept(*lines, bench.line("d", COFFEE), ManifestLine("t", key="t", text="red"), exact="link")
    assert await bench.run(job) is None
    assert bench.done(job) == ["stored", "linked exact", "linked exact", "stored", "stored"]
    items = await bench.items(job)
    assert len(items) == 5
    assert items["a"].duplicate_of is None
    for name in "bc":
        link = items[name].duplicate_of
        assert link is not None
        assert (link.item_id, link.kind, link.similarity) == (items["a"].id, DuplicateKind.EXACT, 1.0)
    assert bench.ledger.progress(bench.tenant, job.id).duplicates == DuplicateCounts(linked_exact=2)
    listed = bench.ledger.duplicates(bench.tenant, job.id)
    assert [(found.line, found.name, found.item_id) for found in listed] == [
        (1, "b", items["b"].id),
        (2, "c", items["c"].id),
    ]


async def test_the_same_bytes_are_left_out_and_told(bench: Bench) -> None:
    job = bench.accept(*(bench.line(name, CAT) for name in "abc"), exact="skip")
    assert await bench.run(job) is None
    assert bench.done(job) == ["stored", "skipped exact", "skipped exact"]
    assert len({outcome.item_id for outcome in bench.outcomes(job)}) == 1
    assert list(await bench.items(job)) == ["a"]
    progress = bench.ledger.progress(bench.tenant, job.id)
    assert (progress.stored, progress.skipped, progress.duplicates) == (1, 2, DuplicateCounts(skipped_exact=2))


async def test_what_an_earlier_job_kept_is_found_and_a_second_run_changes_nothing(bench: Bench) -> None:
    first = bench.accept(bench.line("a", CAT))
    await bench.run(first)
    for policy, expected in (("skip", "skipped exact"), ("link", "linked exact"), ("link", "linked exact")):
        job = bench.accept(bench.line("a", CAT), bench.line("b", CAT), exact=policy)  # type: ignore[arg-type]
        await bench.run(job, worker=1)
        assert bench.done(job) == ["stored", expected]


async def test_what_looks_the_same_is_linked_and_what_does_not_is_not(bench: Bench) -> None:
    job = bench.accept(
        bench.line("cat", CAT),
        bench.line("small cat", changed(CAT, factor=0.5)),
        bench.line("coffee", COFFEE),
        bench.line("poor coffee", changed(COFFEE, quality=30)),
        bench.line("rocket", ROCKET),
        near="link",
    )
    assert await bench.run(job) is None
    assert bench.done(job) == ["stored", "linked near", "stored", "linked near", "stored"]
    items = await bench.items(job)
    for name in ("cat", "coffee"):
        other = items["small cat" if name == "cat" else "poor coffee"].duplicate_of
        assert other is not None
        assert other.item_id == items[name].id
        assert 0.95 <= other.similarity <= 1


async def test_both_kinds_have_a_policy_of_their_own(bench: Bench) -> None:
    lines = [bench.line("a", CAT), bench.line("b", CAT), bench.line("c", changed(CAT))]
    again = [bench.line("d", changed(CAT)), bench.line("e", COFFEE)]
    job = bench.accept(*lines, *again, exact="skip", near="link")
    await bench.run(job)
    assert bench.done(job) == ["stored", "skipped exact", "linked near", "skipped exact", "stored"]
    assert bench.outcomes(job)[3].item_id == bench.outcomes(job)[2].item_id, "the first of these very bytes"
    kept = bench.accept(bench.line("f", CAT), bench.line("g", changed(COFFEE)), exact="keep", near="skip")
    await bench.run(kept)
    assert bench.done(kept) == ["stored", "skipped near"]


async def test_a_chain_of_small_changes_links_to_what_is_not_linked_itself(bench: Bench) -> None:
    job = bench.accept(*(bench.line(str(quality), changed(CAT, quality=quality)) for quality in range(95, 35, -5)))
    chained = bench.accept(
        *(bench.line(f"n{quality}", changed(CAT, quality=quality)) for quality in range(94, 34, -5)), near="link"
    )
    await bench.run(job)
    await bench.run(chained)
    originals = {outcome.item_id for outcome in bench.outcomes(job)}
    for outcome in bench.outcomes(chained):
        assert outcome.duplicate_of is not None
        assert outcome.duplicate_of.item_id in originals


async def test_black_frames_and_empty_pages_are_no_duplicates(bench: Bench) -> None:
    black, empty = encode(Image.new("RGB", (320, 180)), "PNG"), encode(noise(1, 1), "PNG")
    nearly = encode(Image.new("RGB", (320, 180), (4, 4, 4)), "PNG")
    moments = [
        bench.line(f"m{second}", data, Position(timestamp_s=second))
        for second, data in enumerate((black, black, nearly))
    ]
    pages = [bench.line(f"p{page}", empty, Position(page=page)) for page in (1, 2)]
    files = [bench.line(f"f{number}", nearly) for number in range(2)]
    job = bench.accept(*moments, *pages, *files, exact="skip", near="skip")
    await bench.run(job)
    assert bench.done(job)[:5] == ["stored"] * 5
    assert bench.done(job)[5:] == ["stored", "skipped exact"], "two files with the same bytes are the same"


async def test_an_item_that_is_there_already_is_updated_and_never_left_out(bench: Bench) -> None:
    kept = bench.accept(bench.line("a", CAT), bench.line("b", CAT))
    await bench.run(kept)
    job = bench.accept(bench.line("a", CAT), bench.line("b", CAT), bench.line("c", CAT), exact="skip")
    await bench.run(job)
    assert bench.done(job) == ["linked exact", "stored", "skipped exact"]
    items = await bench.items(job)
    assert items["a"].revision == items["b"].revision == job.revision
    assert items["a"].duplicate_of is not None
    assert items["a"].duplicate_of.item_id == items["b"].id
    assert bench.outcomes(job)[2].item_id == items["b"].id


async def test_once_the_first_is_deleted_another_one_is_the_first(bench: Bench) -> None:
    job = bench.accept(bench.line("a", CAT), bench.line("b", CAT), exact="link")
    await bench.run(job)
    collection = await bench.index.resolve()
    assert collection is not None
    first, copy = (outcome.item_id for outcome in bench.outcomes(job))
    await bench.index.delete(collection, bench.tenant, first, RevisionClock().next())

    later = bench.accept(bench.line("c", CAT), exact="skip")
    await bench.run(later)
    assert [outcome.item_id for outcome in bench.outcomes(later)] == [copy]
    await bench.index.delete(collection, bench.tenant, copy, RevisionClock().next())
    last = bench.accept(bench.line("c", CAT), exact="skip")
    await bench.run(last)
    assert bench.done(last) == ["stored"]


async def test_the_same_for_what_looks_the_same(bench: Bench) -> None:
    job = bench.accept(bench.line("a", CAT), bench.line("b", changed(CAT)), near="link")
    await bench.run(job)
    collection = await bench.index.resolve()
    assert collection is not None
    first, copy = (outcome.item_id for outcome in bench.outcomes(job))
    await bench.index.delete(collection, bench.tenant, first, RevisionClock().next())
    later = bench.accept(bench.line("c", changed(CAT, factor=0.7)), near="link")
    await bench.run(later)
    assert [outcome.duplicate_of and outcome.duplicate_of.item_id for outcome in bench.outcomes(later)] == [copy]


async def test_tenants_do_not_meet(bench: Bench) -> None:
    job = bench.accept(bench.line("a", CAT), exact="skip", near="skip")
    await bench.run(job)
    bench.tenant = f"{bench.tenant}b"
    other = bench.accept(bench.line("a", CAT), bench.line("b", changed(CAT)), exact="skip")
    await bench.run(other)
    assert bench.done(other) == ["stored", "stored"]
