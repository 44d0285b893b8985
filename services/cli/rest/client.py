"""One connection to a gateway. All calls block; one client may be used from several threads."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from services.cli.errors import CliError, unreachable
from services.cli.rest.events import Event, read_events
from services.cli.rest.problems import RETRY_STATUSES, retry_after_s, to_error

Json = Mapping[str, Any]
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_FIRST_PAUSE_S = 0.5
_PIECE_BYTES = 256 * 1024
_NOTHING: Json = MappingProxyType({})


class RestClient:
    """Calls the gateway; every error becomes a `CliError`.

    Args:
        url: Address of the gateway.
        key: API key, if one is needed.
        timeout_s: Longest wait for an answer.
        patience_s: How long a call is repeated while the gateway says "not now" (429, 503) or does not answer;
            0 gives up at once.
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout_s: float = 60.0, patience_s: float = 0.0
    ) -> None:
        self.url = url.rstrip("/")
        self._patience_s = patience_s
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout_s, connect=5.0),
            # A proxy of the environment cannot reach this machine's own loopback.
            trust_env=urlsplit(self.url).hostname not in _LOOPBACK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def has_media(self, sha256: str) -> bool:
        """Whether the gateway keeps a picture with this digest."""
        return self._send("HEAD", f"/v1/media/{sha256}", accept={404}).status_code == httpx.codes.OK

    def put_media(self, data: bytes) -> Json:
        """Keep a picture; answers `sha256`, `mime`, `width`, `height`."""
        return self._json("PUT", "/v1/media", content=data, headers={"Content-Type": "application/octet-stream"})

    def has_upload(self, sha256: str) -> bool:
        """Whether the gateway keeps an uploaded file with this digest."""
        return self._send("HEAD", f"/v1/uploads/{sha256}", accept={404}).status_code == httpx.codes.OK

    def put_file(self, address: str, path: Path, sent: Callable[[int], None]) -> Json:
        """Send a file as it lies on the disk, without holding it in memory.

        Args:
            address: "/v1/media" for a picture, "/v1/uploads" for a file of any kind.
            path: The file.
            sent: Called with the length of each piece that went out; after an interruption all of them come anew.

        Raises:
            OSError: The file cannot be read.
        """
        headers = {
            "Content-Type": "application/octet-stream",
            # What is said is what is sent, even if the file grows meanwhile.
            "Content-Length": str(path.stat().st_size),
        }
        return self._json("PUT", address, body=lambda: _pieces(path, sent), headers=headers)

    def create_job(self, items: Sequence[Json], options: Json = _NOTHING) -> Json:
        """Queue items; answers `job_id`, `total`, `listed`, `rejected`."""
        return self._json("POST", "/v1/jobs", json={"items": list(items), **_with(options)})

    def begin_job(self, source: Json, options: Json = _NOTHING) -> Json:
        """Have the server read a source; answers as `create_job`."""
        return self._json("POST", "/v1/jobs", json={"source": dict(source), **_with(options)})

    def job(self, job_id: str) -> Json:
        """How far a job is."""
        return self._json("GET", f"/v1/jobs/{quote(job_id, safe='')}")

    def jobs(self, limit: int) -> Sequence[Json]:
        """The newest jobs."""
        return list(self._json("GET", "/v1/jobs", params={"limit": limit})["jobs"])

    def failures(self, job_id: str) -> Iterator[Json]:
        """Every failure of a job, by line."""
        return self._by_line(job_id, "failures")

    def duplicates(self, job_id: str) -> Iterator[Json]:
        """Every item of a job whose picture was there before, by line."""
        return self._by_line(job_id, "duplicates")

    def pause_job(self, job_id: str) -> Json:
        """Let no further item of a job begin for now."""
        return self._json("POST", f"/v1/jobs/{quote(job_id, safe='')}/pause")

    def resume_job(self, job_id: str) -> Json:
        """Let a paused job go on."""
        return self._json("POST", f"/v1/jobs/{quote(job_id, safe='')}/resume")

    def retry_job(self, job_id: str, codes: Sequence[str], *, incomplete: bool = False) -> Json:
        """Do failed items again; answers `retried`, `left`, `job`. No codes: all failures.

        Args:
            job_id: Which job.
            codes: Of the failures that are meant.
            incomplete: Instead, stored items that an enrichment failed on.
        """
        asked = {"incomplete": True} if incomplete else {"codes": list(codes)}
        return self._json("POST", f"/v1/jobs/{quote(job_id, safe='')}/retry", json=asked)

    def cancel_job(self, job_id: str) -> Json:
        """Let no further item of a job begin."""
        return self._json("POST", f"/v1/jobs/{quote(job_id, safe='')}/cancel")

    def search(self, query: Json, picture: bytes | None = None) -> Json:
        """Find items; `query` as in the REST interface."""
        return self._json("POST", "/v1/search", **_body(query, picture))

    def ask(self, query: Json, picture: bytes | None = None) -> Json:
        """Answer a question, whole."""
        return self._json("POST", "/v1/ask", **_body(query, picture))

    def item(self, item_id: str) -> Json:
        """One item."""
        return self._json("GET", f"/v1/items/{quote(item_id, safe='')}")

    def delete_item(self, item_id: str) -> None:
        """Delete one item."""
        self._send("DELETE", f"/v1/items/{quote(item_id, safe='')}")

    def catalogue_page(self, cursor: str, limit: int, *, with_vectors: bool) -> Json:
        """A page of all items: `contract`, `items`, `next`, and on the first page `total`."""
        query = {"cursor": cursor, "limit": limit, "vectors": with_vectors}
        return self._json("GET", "/v1/catalogue", params=query)

    def import_items(self, contract: Json, items: Sequence[Json]) -> Json:
        """Store items with vectors of `contract`; answers `stored`, `kept`, `failed`, `missing_pictures`."""
        return self._json("POST", "/v1/catalogue", json={"contract": contract, "items": list(items)})

    def info(self) -> Json:
        """Version, model and generator of the cluster."""
        return self._json("GET", "/v1/info")

    def missing(self) -> list[str]:
        """The parts that do not answer; empty if the cluster is ready."""
        answer = self._send("GET", "/readyz", accept={503}, patience_s=0.0)
        return [str(name) for name in answer.json().get("missing", [])]

    @contextmanager
    def ask_stream(self, query: Json, picture: bytes | None = None) -> Iterator[Iterator[Event]]:
        """The events of an answer as they come: `hits`, `text`, `done`, `error`."""
        with self._stream("POST", "/v1/ask", **_body(query, picture)) as events:
            yield events

    @contextmanager
    def job_events(self, job_id: str) -> Iterator[Iterator[Event]]:
        """A job as it goes on: `progress` with rate and time left, `done` at its end, `error`."""
        with self._stream("GET", f"/v1/jobs/{quote(job_id, safe='')}/events") as events:
            yield events

    @contextmanager
    def verify_job(self, job_id: str) -> Iterator[Iterator[Event]]:
        """The check of a job: `progress` with `checked` and `total`, `done` with the proof, `error`."""
        with self._stream("GET", f"/v1/jobs/{quote(job_id, safe='')}/verify") as events:
            yield events

    @contextmanager
    def _stream(self, method: str, path: str, **request: Any) -> Iterator[Iterator[Event]]:
        accept = {"Accept": "text/event-stream"}
        with (
            _reaching(self.url),
            self._http.stream(method, path, headers=accept, **request) as response,
        ):
            if response.is_error:
                response.read()
                raise to_error(response)
            yield read_events(response.iter_lines())

    def _by_line(self, job_id: str, what: str) -> Iterator[Json]:
        after = -1
        while True:
            path = f"/v1/jobs/{quote(job_id, safe='')}/{what}"
            page = self._json("GET", path, params={"limit": 500, "after": after})
            yield from page[what]
            if page["next"] is None:
                return
            after = int(page["next"])

    def _json(self, method: str, path: str, **request: Any) -> Json:
        answer = self._send(method, path, **request).json()
        if not isinstance(answer, dict):
            raise CliError(f"{self.url} does not speak the interface of imagerag.", "Check --url.")
        return answer

    def _send(
        self,
        method: str,
        path: str,
        accept: set[int] | None = None,
        patience_s: float | None = None,
        body: Callable[[], Iterator[bytes]] | None = None,
        **request: Any,
    ) -> httpx.Response:
        """Call until it is answered; `body` is made anew for each try."""
        patience_s = self._patience_s if patience_s is None else patience_s
        give_up_at, pause_s = time.monotonic() + patience_s, _FIRST_PAUSE_S
        while True:
            response, error = self._attempt(lambda: self._call(method, path, body, **request))
            if response is not None and (response.is_success or response.status_code in (accept or ())):
                return response
            refused = response is None or response.status_code in RETRY_STATUSES
            wait_s = pause_s if response is None else retry_after_s(response, pause_s)
            if not refused or time.monotonic() + wait_s > give_up_at:
                raise error if response is None else to_error(response)
            time.sleep(wait_s)
            pause_s = min(pause_s * 2, 5.0)

    def _call(
        self, method: str, path: str, body: Callable[[], Iterator[bytes]] | None, **request: Any
    ) -> httpx.Response:
        content: dict[str, Any] = {"content": body()} if body else {}
        return self._http.request(method, path, **content, **request)

    def _attempt(self, call: Callable[[], httpx.Response]) -> tuple[httpx.Response | None, CliError]:
        """One try; a call that never reached the gateway gives no response, one that broke off raises."""
        try:
            with _reaching(self.url):
                return call(), unreachable(self.url)
        except CliError as error:
            if error.code != "unreachable":
                raise
            return None, error


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise unreachable(url) from None
    except httpx.TimeoutException:
        raise CliError(
            f"The gateway at {url} did not answer in time.",
            "Try again, or raise IMAGERAG_TIMEOUT_S.",
            code="deadline_exceeded",
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CliError(f"The call to {url} failed: {error}.", "Check --url.", code="connection") from None


def _pieces(path: Path, sent: Callable[[int], None]) -> Iterator[bytes]:
    left = path.stat().st_size
    with path.open("rb") as file:
        while left and (piece := file.read(min(_PIECE_BYTES, left))):
            yield piece
            left -= len(piece)
            sent(len(piece))


def _with(options: Json) -> dict[str, Any]:
    return {"options": dict(options)} if options else {}


def _body(query: Json, picture: bytes | None) -> dict[str, Any]:
    if picture is None:
        return {"json": dict(query)}
    return {"files": {"image": ("query", picture)}, "data": {"query": json.dumps(dict(query))}}


def read_picture(path: Path) -> bytes:
    """The bytes of a picture to ask with.

    Raises:
        CliError: The file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from None
