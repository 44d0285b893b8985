"""The web page's files, read once at start: what is not in the folder then cannot be asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from services.common.errors import NotFoundError

_FOLDER = Path(__file__).parent / "page"
_MIME = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PAGE_HEADERS = {
    # No inline script or style, nothing from elsewhere; pictures also from memory (previews, keyed thumbnails).
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-cache",
}


@dataclass(frozen=True)
class PageFile:
    """One static file."""

    data: bytes
    mime: str
    etag: str


class PageFiles:
    """Every file of the page by its name relative to the folder.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): _read(path)
            for path in sorted(folder.rglob("*"))
            if path.suffix in _MIME
        }

    def get(self, name: str) -> PageFile:
        """One file.

        Raises:
            NotFoundError: There is none of this name.
        """
        found = self._files.get(name)
        if found is None:
            raise NotFoundError("There is no such file.")
        return found


def _read(path: Path) -> PageFile:
    data = path.read_bytes()
    return PageFile(data, _MIME[path.suffix], f'"{hashlib.sha256(data).hexdigest()[:24]}"')
