"""Listing over a real ledger and real leases: parts, crashes between any two steps, poison, and slices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from services.common.errors import ConflictError, InvalidRequestError, UnavailableError
from services.common.jobs.layout import LISTED_PART_LINES
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import BatchMessage, ListMessage, Message
from services.common.jobs.records import Job, JobSource, ManifestLine
from services.common.objects import ObjectStore, open_objects
from services.common.revision import RevisionClock
from tests.fixtures.brokers import ValkeyProcess
from workers.later import Later
from workers.leases import Leases, listing_name
from workers.listing.service import ListingService
from workers.sources.source import Listed

TENANT = "t"
PART = LISTED_PART_LINES


class Numbers:
    """A source of so many texts; `at` is called with the number of each before it is given out."""

    def __init__(self, total: int, at: Callable[[int], None]) -> None:
        self._total, self._at = total, at

    def lines(self, after: str) -> Iterator[Listed]:
        for number in range(int(after or -1) + 1, self._total):
            self._at(number)
            wrong = InvalidRequestError("odd") if number % 100 == 99 else None
            yield Listed(ManifestLine(f"{number}", text=f"text {number}"), str(number), wrong)


@dataclass
class Site:
    ledger: JobLedger
    leases: Leases
    ledger_objects: ObjectStore
    sent: list[Message] = field(default_factory=list)

    def publish(self, messages: Iterable[Message], *, links: Sequence[str] = ()) -> None:
        self.sent.extend(messages)

    def service(
        self,
        total: int,
        at: Callable[[int], None] = lambda _: None,
        slice_s: float = 60,
        part_s: float = 60,
    ) -> ListingService:
        return ListingService(
            self.ledger,
            self.leases,
            self.publish,
            lambda _: Numbers(total, at),
            max_attempts=3,
            slice_s=slice_s,
            part_s=part_s,
        )

    def begin(self) -> Job:
        return self.ledger.begin(TENANT, JobSource("folder", "/photos"))


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with (
        ValkeyProcess(tmp_path_factory.mktemp("listing")) as broker,
        Redis.from_url(broker.url) as client,
    ):
        yield client


@pytest.fixture
def site(redis: Redis, tmp_path: Path) -> Site:
    objects = open_objects(str(tmp_path))
    return Site(JobLedger(objects, RevisionClock()), Leases(redis, 5), objects)


def check(site: Site, job: Job, total: int) -> Job:
    """Every line once, in order, in batches that were queued once, with the rejected ones failed."""
    known = site.ledger.job(TENANT, job.id)
    assert (known.total, known.listed) == (total, True)
    assert [line.name for line in site.ledger.lines(known, 0, total)] == [str(number) for number in range(total)]
    ranges = [(sent.start, sent.stop) for sent in site.sent if isinstance(sent, BatchMessage)]
    assert ranges == [(start, min(start + 64, total)) for start in range(0, total, 64)]
    failed = {line for line, outcome in site.ledger.outcomes(known).items() if outcome.code == "invalid_request"}
    assert failed == set(range(99, total, 100))
    return known


@pytest.mark.parametrize("total", [1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 70])
def test_every_line_is_listed_and_queued_once(site: Site, total: int) -> None:
    job = site.begin()
    assert site.ledger.progress(TENANT, job.id).state == "running"
    assert site.service(total).run(job.id, TENANT) is None
    known = check(site, job, total)
    assert known.revision_of(0) == job.revision
    assert known.revision_of(total - 1) == job.revision + (total - 1) // PART
    assert site.service(total).run(job.id, TENANT) is None, "a second message changes nothing"
    check(site, job, total)


def test_the_next_job_is_newer_than_every_part_of_this_one(site: Site) -> None:
    first, second = site.begin(), site.begin()
    assert second.revision > first.revision_of(4095 * PART)


def test_what_a_crash_interrupts_is_listed_anew_from_the_last_part(site: Site) -> None:
    job = site.begin()

    def die(number: int) -> None:
        if number == 2 * PART + 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.service(3 * PART, die).run(job.id, TENANT)
    assert site.ledger.job(TENANT, job.id).total == 2 * PART
    assert site.service(3 * PART).run(job.id, TENANT) is None
    check(site, job, 3 * PART)


def test_an_outage_of_the_source_is_waited_out_and_is_no_attempt(site: Site) -> None:
    job = site.begin()
    down = [True] * 5

    def sometimes(number: int) -> None:
        if number == PART + 3 and down:
            down.pop()
            raise UnavailableError("The bucket does not answer.", retry_after_s=4)

    for _ in range(5):
        assert site.service(PART + 10, sometimes).run(job.id, TENANT) == Later("unavailable", 4)
    assert site.service(PART + 10, sometimes).run(job.id, TENANT) is None
    check(site, job, PART + 10)


def test_a_source_that_ends_in_an_error_keeps_what_was_found_and_says_why(site: Site) -> None:
    job = site.begin()

    def broken(number: int) -> None:
        if number == 50:
            raise InvalidRequestError("The archive is damaged here.")

    assert site.service(100, broken).run(job.id, TENANT) is None
    known = site.ledger.job(TENANT, job.id)
    assert (known.total, known.listed) == (51, True)
    (failure,) = site.ledger.failures(TENANT, job.id)
    assert (failure.name, failure.message) == ("/photos", "The archive is damaged here.")


def test_a_source_that_takes_its_process_along_is_given_up_after_so_many_tries(site: Site) -> None:
    job = site.begin()

    def poison(number: int) -> None:
        if number == PART + 3:
            raise RuntimeError("boom")

    for _ in range(3):
        assert site.service(2 * PART, poison).run(job.id, TENANT) == Later("internal")
    assert site.service(2 * PART, poison).run(job.id, TENANT) is None
    known = site.ledger.job(TENANT, job.id)
    assert (known.total, known.listed) == (PART + 1, True)
    last = site.ledger.failures(TENANT, job.id, limit=1000)[-1]
    assert "3 times" in last.message
    assert "boom" not in last.message


def test_an_empty_source_is_a_job_that_says_so(site: Site) -> None:
    job = site.begin()
    assert site.service(0).run(job.id, TENANT) is None
    (failure,) = site.ledger.failures(TENANT, job.id)
    assert failure.message == "There is nothing to ingest in it."
    assert site.ledger.progress(TENANT, job.id).state == "done"


def test_a_long_listing_lets_others_have_their_turn(site: Site) -> None:
    job = site.begin()
    assert site.service(3 * PART, slice_s=-1).run(job.id, TENANT) is None
    assert site.sent == [ListMessage(job.id, TENANT, "bulk")]


def test_a_slow_source_is_not_read_again_for_what_a_slice_found(site: Site) -> None:
    """A part is no more than a slice holds: of a source that takes seconds a line, it could never be filled."""
    job, total = site.begin(), 150
    read: list[int] = []

    def slow(number: int) -> None:
        read.append(number)
        if number % 40 == 39:
            time.sleep(0.3)

    for slices in range(1, 10):
        assert site.service(total, slow, slice_s=0.2, part_s=0.2).run(job.id, TENANT) is None
        if site.ledger.job(TENANT, job.id).listed:
            break
        assert site.sent == [ListMessage(job.id, TENANT, "bulk")] * slices, "nothing is worked on before its part"
    assert slices == 4
    assert read == list(range(total)), "each was read once"
    site.sent = [message for message in site.sent if not isinstance(message, ListMessage)]
    check(site, job, total)


def test_what_was_found_before_an_outage_is_kept(site: Site) -> None:
    job, read = site.begin(), list[int]()

    def sometimes(number: int) -> None:
        read.append(number)
        if read.count(number) == 1 and number in {120, 130}:
            raise UnavailableError("The bucket does not answer.")

    for _ in range(2):
        assert site.service(140, sometimes).run(job.id, TENANT) == Later("unavailable", None)
    assert site.service(140, sometimes).run(job.id, TENANT) is None
    assert sorted(read) == sorted([*range(140), 120, 130])
    check(site, job, 140)


def test_what_another_listing_set_aside_of_an_older_part_is_left(site: Site) -> None:
    job = site.begin()
    known = site.ledger.listing.extend(
        job, [ManifestLine(f"{n}", text="x") for n in range(PART)], [], cursor="255"
    )
    site.ledger.listing.set_aside(job, [ManifestLine("stale")], [], "0")
    assert site.ledger.listing.taken_up(known)[1] == ()
    assert site.service(PART + 10).run(job.id, TENANT) is None
    names = [line.name for line in site.ledger.lines(site.ledger.job(TENANT, job.id), 0, PART + 10)]
    assert names == [f"{number}" for number in range(PART + 10)]


def test_a_cancelled_job_is_not_listed_and_a_leased_one_is_left_alone(site: Site) -> None:
    job = site.begin()
    with site.leases.hold(listing_name(TENANT, job.id)):
        later = site.service(10).run(job.id, TENANT)
        assert later is not None, "its holder may have died a moment ago"
        assert later.code == "leased"
    assert site.ledger.job(TENANT, job.id).total == 0
    site.ledger.cancel(TENANT, job.id)
    assert site.service(10).run(job.id, TENANT) is None
    assert site.ledger.job(TENANT, job.id).total == 0


def test_a_paused_job_is_listed_no_further_until_it_is_resumed(site: Site) -> None:
    job = site.begin()

    def pause(number: int) -> None:
        if number == PART + 3:
            site.ledger.control.pause(job)

    assert site.service(3 * PART, pause).run(job.id, TENANT) is None
    assert (site.ledger.job(TENANT, job.id).total, site.ledger.job(TENANT, job.id).listed) == (2 * PART, False)
    assert site.service(3 * PART).run(job.id, TENANT) is None
    assert site.ledger.job(TENANT, job.id).total == 2 * PART
    assert site.ledger.progress(TENANT, job.id).state == "paused"
    assert site.ledger.control.resume(job)
    assert site.service(3 * PART).run(job.id, TENANT) is None
    check(site, job, 3 * PART)


def test_a_listing_that_lost_its_lease_neither_loses_nor_doubles_nor_changes_a_line(site: Site) -> None:
    """The second one reads a source that has changed meanwhile, and has gone on when the first one wakes."""
    job, other = (
        site.begin(),
        Site(JobLedger(site.ledger_objects, RevisionClock()), site.leases, site.ledger_objects),
    )

    def sleep(number: int) -> None:
        if number == PART + 3:
            # No lease is taken here: this is a listing that believes the other one dead.
            assert other.service(3 * PART + 70).list(other.ledger.job(TENANT, job.id)) is None

    assert site.service(5 * PART, sleep).run(job.id, TENANT) == Later("conflict")
    site.sent.extend(other.sent)
    check(site, job, 3 * PART + 70)
    assert site.service(5 * PART).run(job.id, TENANT) is None, "there is nothing left to do for the first one"
    check(site, job, 3 * PART + 70)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_however_many_listings_run_at_once_every_line_is_known_once(site: Site, data: st.DataObject) -> None:
    """Each turn another one of four takes its next part; each has its own idea of how far the job is."""
    job, total = site.begin(), 4 * PART + 9
    ledgers = [JobLedger(site.ledger_objects, RevisionClock()) for _ in range(4)]
    believed = {number: ledger.job(TENANT, job.id) for number, ledger in enumerate(ledgers)}
    for turn in range(100):
        number = data.draw(st.integers(0, 3)) if turn < 20 else 0
        seen = believed[number]
        if seen.listed:
            break
        names = [ManifestLine(f"{line}") for line in range(seen.total, min(seen.total + PART, total))]
        try:
            believed[number] = ledgers[number].listing.extend(seen, names, [], complete=len(names) < PART)
        except ConflictError:
            believed[number] = ledgers[number].job(TENANT, job.id)
    known = JobLedger(site.ledger_objects, RevisionClock()).job(TENANT, job.id)
    assert (known.total, known.listed) == (total, True)
    assert [line.name for line in ledgers[1].lines(known, 0, total)] == [f"{line}" for line in range(total)]


def test_a_source_without_end_is_stopped_at_the_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.common.jobs.listing.MAX_LISTED_LINES", 2 * PART)
    job = site.begin()
    site.service(10 * PART).run(job.id, TENANT)
    known = site.ledger.job(TENANT, job.id)
    assert known.listed
    assert "Split it" in site.ledger.failures(TENANT, job.id, limit=1000)[-1].message


def test_later_parts_win_and_the_earlier_line_is_told_apart(site: Site) -> None:
    job = site.begin()
    known = site.ledger.listing.extend(job, [ManifestLine(f"{n}", key=f"k{n}") for n in range(PART)], [])
    assert known.revision_of(PART) > known.revision_of(PART - 1) == job.revision
