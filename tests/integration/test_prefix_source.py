"""Prefixes of object storage as sources: a real S3 server, listed page by page, read several at once, and gone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import s3fs

from services.common.errors import NotFoundError, UnavailableError
from services.common.media.store import MediaStore
from services.common.objects import open_filesystem, open_objects
from tests.fixtures.archives import picture
from tests.fixtures.bucket import BucketServer
from workers.sources import remote
from workers.sources.folder import FolderSource
from workers.sources.prefix import PrefixSource, open_prefix
from workers.sources.remote import FilesystemFolder, RemoteObject, open_remote
from workers.sources.source import SourceTools

TENANT = "shop"
KEYS = ["1.jpg", "a/2.jpg", "a-b/3.jpg", "a/c/4.png", "noname", "文/五.jpg", "z.jpg"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    with BucketServer(tmp_path_factory.mktemp("prefixes")) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        yield running
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(server: BucketServer) -> str:
    """A bucket with pictures below `photos`, and others beside it."""
    url = server.make_bucket()
    objects = open_objects(url)
    for number, key in enumerate(KEYS):
        objects.put(f"photos/{key}", picture(number))
    for key in ("photos-private/x.jpg", "y.jpg"):
        objects.put(key, picture(99))
    return url


def tools(tmp_path: Path, *prefixes: str) -> SourceTools:
    return SourceTools(MediaStore(open_objects(str(tmp_path / "data"))), TENANT, [tmp_path], prefixes=prefixes)


def test_pictures_below_the_prefix_are_kept_and_listed_by_key(tmp_path: Path, bucket: str) -> None:
    own = tools(tmp_path, bucket)
    found = list(PrefixSource(f"{bucket}/photos/", own).lines(""))
    assert [each.line.name for each in found] == sorted(KEYS, key=str.encode)
    assert not any(each.error for each in found)
    assert all(own.media.exists(TENANT, each.line.sha256) for each in found)
    assert found[-1].line.source_uri == f"{bucket}/photos/%E6%96%87/%E4%BA%94.jpg"


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_a_listing_goes_on_from_any_key_whatever_the_pages(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(remote, "_PAGE_KEYS", page)
    source = PrefixSource(f"{bucket}/photos", tools(tmp_path, bucket))
    names: list[str] = []
    cursor = ""
    while part := list(islice(source.lines(cursor), 2)):
        names += [each.line.name for each in part]
        cursor = part[-1].cursor
    assert names == sorted(KEYS, key=str.encode)


def test_only_the_pages_that_are_needed_are_asked_for(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_PAGE_KEYS", 2)
    filesystem, root = open_filesystem(f"{bucket}/photos")
    asked: list[str] = []
    real = filesystem.call_s3

    def call(method: str, **more: object) -> object:
        asked.append(method)
        return real(method, **more)

    monkeypatch.setattr(filesystem, "call_s3", call)
    found = remote.BucketFolder(filesystem, root).objects("")
    next(found)
    assert len(asked) == 1
    assert len(list(found)) == len(KEYS) - 1
    assert len(asked) == 4


def test_folders_of_any_filesystem_are_walked_in_the_same_way(bucket: str) -> None:
    filesystem, root = open_filesystem(f"{bucket}/photos")
    folder = FilesystemFolder(filesystem, root)
    whole = [each.key for each in folder.objects("")]
    assert sorted(whole) == sorted(KEYS)
    for number, key in enumerate(whole):
        assert [each.key for each in folder.objects(key)] == whole[number + 1 :]
    assert folder.read("1.jpg", 8) == picture(0)[:8]


def test_what_is_no_picture_or_too_large_has_its_reason(tmp_path: Path, server: BucketServer) -> None:
    url = server.make_bucket()
    objects = open_objects(url)
    big = 33 * 1024 * 1024
    for key, data in {
        "a.pdf": b"%PDF-1.7" + bytes(1000),
        "b.jpg": b"",
        "big.jpg": bytes(big),
        "broken.png": picture(1)[:40],
        "good.png": picture(2),
        ".hidden/x.png": picture(3),
    }.items():
        objects.put(key, data)
    found = {each.line.name: each for each in PrefixSource(url, tools(tmp_path, url)).lines("")}
    codes = {name: each.error.code for name, each in found.items() if each.error}
    assert codes == {
        "a.pdf": "image_format",
        "b.jpg": "image_empty",
        "big.jpg": "image_too_large",
        "broken.png": "image_truncated",
    }
    assert found["good.png"].line.sha256


def test_an_object_that_grew_since_it_was_listed_is_read_no_further_than_allowed(bucket: str) -> None:
    open_objects(bucket).put("photos/grown.jpg", bytes(100_000))
    assert len(open_remote(f"{bucket}/photos").read("grown.jpg", 10)) == 10


def test_a_key_that_is_no_plain_path_is_refused(tmp_path: Path, bucket: str) -> None:
    filesystem, _ = open_filesystem(bucket)
    name = bucket.removeprefix("s3://")
    filesystem.call_s3("put_object", Bucket=name, Key="odd//1.jpg", Body=picture(1))
    (found,) = PrefixSource(f"{bucket}/odd", tools(tmp_path, bucket)).lines("")
    assert found.error
    assert found.error.code == "invalid_request"


def test_an_object_that_is_deleted_meanwhile_is_one_failure(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = RemoteObject("gone.jpg", 10)
    monkeypatch.setattr(remote.BucketFolder, "objects", lambda *_: iter([gone, RemoteObject("1.jpg", 99)]))
    first, second = PrefixSource(f"{bucket}/photos", tools(tmp_path, bucket)).lines("")
    assert first.error
    assert first.error.code == "not_found"
    assert second.error is None


def test_a_bucket_that_is_not_there_ends_the_listing(tmp_path: Path, server: BucketServer) -> None:
    missing = "s3://no-such-bucket-at-all"
    with pytest.raises(NotFoundError):
        list(PrefixSource(missing, tools(tmp_path, missing)).lines(""))
    url = server.make_bucket()
    assert list(PrefixSource(f"{url}/nothing", tools(tmp_path, url)).lines("")) == []


def test_an_outage_is_retryable_and_the_listing_goes_on_behind_it(tmp_path: Path) -> None:
    with BucketServer(tmp_path) as own, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", own.environment["AWS_ENDPOINT_URL"])
        s3fs.S3FileSystem.clear_instance_cache()
        url = own.make_bucket()
        fill(url)
        source = PrefixSource(url, tools(tmp_path, url))
        found = source.lines("")
        first = [next(found), next(found)]
        own.__exit__(None, None, None)
        with pytest.raises(UnavailableError) as raised:
            list(found)
        assert raised.value.retryable
        own.__enter__()
        open_filesystem(url)[0].call_s3("create_bucket", Bucket=url.removeprefix("s3://"))
        fill(url)
        rest = list(source.lines(first[-1].cursor))
    s3fs.S3FileSystem.clear_instance_cache()
    assert [each.line.name for each in (*first, *rest)] == [f"{number:02d}.png" for number in range(20)]


def fill(url: str) -> None:
    for number in range(20):
        open_objects(url).put(f"{number:02d}.png", picture(number))


def test_a_folder_of_the_server_is_read_where_it_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture(1))
    source = open_prefix(tmp_path.as_uri(), tools(tmp_path))
    assert isinstance(source, FolderSource)
    (found,) = source.lines("")
    assert found.line.path == str(tmp_path / "a.jpg")
