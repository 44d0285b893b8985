"""Reads a request's body: JSON, or a form with pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from services.common.errors import InvalidRequestError, PayloadTooLargeError, UnsupportedMediaTypeError
from services.gateway.strict_json import read_object

_JSON = "application/json"
_MULTIPART = "multipart/form-data"
PICTURE_PART = "image"


@dataclass(frozen=True)
class PicturedBody:
    """A JSON object and, if it came as a form, perhaps a picture.

    Attributes:
        document: The JSON object; empty if the form had none.
        picture: Encoded bytes as received.
        file_name: What the client calls the picture.
    """

    document: dict[str, Any]
    picture: bytes | None = None
    file_name: str = ""


async def read_pictured(request: Request, json_part: str, picture_limit_bytes: int) -> PicturedBody:
    """Read a JSON body, or a form of a file part `image` and a JSON part.

    Args:
        request: The request.
        json_part: Name of the form's JSON part.
        picture_limit_bytes: Largest picture.

    Raises:
        InvalidRequestError: Not JSON, or an unknown part.
        PayloadTooLargeError: The picture is too large.
        UnsupportedMediaTypeError: Neither JSON nor a form.
    """
    if not is_form(request):
        return PicturedBody(read_object(await request.body()))
    async with open_form(request, files=2) as form:
        only_parts(form, {PICTURE_PART, json_part})
        document = await read_json_part(form, json_part)
        upload = form.get(PICTURE_PART)
        if upload is None:
            return PicturedBody(document)
        if not isinstance(upload, UploadFile):
            raise InvalidRequestError(f"The part {PICTURE_PART!r} must be a file.")
        return PicturedBody(document, await read_upload(upload, picture_limit_bytes), upload.filename or "")


def is_form(request: Request) -> bool:
    """Whether the body is a form; else it is JSON.

    Raises:
        UnsupportedMediaTypeError: It is neither.
    """
    kind = request.headers.get("content-type", _JSON).split(";")[0].strip().lower()
    if kind not in {_JSON, _MULTIPART}:
        raise UnsupportedMediaTypeError(f"Send {_JSON} or {_MULTIPART}; this is {kind[:80]!r}.")
    return kind == _MULTIPART


@asynccontextmanager
async def open_form(request: Request, files: int) -> AsyncIterator[FormData]:
    """The parsed form; what does not fit into memory lies in temporary files until the block ends.

    Raises:
        InvalidRequestError: Damaged, or more than `files` files.
    """
    try:
        form = await request.form(max_files=files, max_fields=8, max_part_size=1024 * 1024)
    except HTTPException as error:
        raise InvalidRequestError(f"The form could not be read: {error.detail}") from None
    try:
        yield form
    finally:
        await form.close()


def only_parts(form: FormData, known: set[str]) -> None:
    """Refuse a form with parts of other names: a misspelt part would be ignored without a word.

    Raises:
        InvalidRequestError: Names the unknown parts and the known ones.
    """
    unknown = sorted(name[:80] for name in form.keys() - known)
    if unknown:
        raise InvalidRequestError(f"Unknown parts: {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")


async def read_json_part(form: FormData, name: str) -> dict[str, Any]:
    """The JSON object in the part `name`; empty if there is no such part."""
    text = await read_text_part(form, name)
    return {} if text is None else read_object(text)


async def read_text_part(form: FormData, name: str) -> bytes | str | None:
    """The content of the part `name`, sent as a field or as a file; None if there is no such part."""
    part = form.get(name)
    return await part.read() if isinstance(part, UploadFile) else part


async def read_upload(upload: UploadFile, limit_bytes: int) -> bytes:
    """The bytes of an uploaded file.

    Raises:
        PayloadTooLargeError: More than `limit_bytes`; nothing is read then.
    """
    if upload.size is not None and upload.size > limit_bytes:
        raise PayloadTooLargeError(
            f"The file has {upload.size:,} bytes; a picture may have at most {limit_bytes:,}."
        )
    return await upload.read()
