"""Tenant names: they become folder names, payload values and log fields, so they are kept plain."""

from __future__ import annotations

import re

from services.common.errors import InvalidRequestError

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def check_tenant(name: str) -> str:
    """Return `name` if it is a tenant name.

    Raises:
        InvalidRequestError: Not 1 to 63 of a-z, 0-9, `-`, `_`, starting with a letter or digit.
    """
    if not _PLAIN.fullmatch(name):
        raise InvalidRequestError(
            f"{name[:80]!r} is not a tenant name: write 1 to 63 of a-z, 0-9, '-' and '_', letter or digit first."
        )
    return name
