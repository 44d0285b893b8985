"""Whose certificates are believed on the web."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi

from services.common.settings import SettingsError

_SETTING = "IMAGERAG_WORKERS_URL_CA_PATH"


def trusted(ca_path: Path | None) -> ssl.SSLContext:
    """The public authorities, and one of our own if there is one.

    Args:
        ca_path: PEM.

    Raises:
        SettingsError: It cannot be read, or holds no certificate.
    """
    # certifi's list and not the system's: a slim image has none of its own.
    context = ssl.create_default_context(cafile=certifi.where())
    if ca_path is not None:
        try:
            context.load_verify_locations(str(ca_path))
        except (OSError, ssl.SSLError):
            raise SettingsError(f"{_SETTING}: {ca_path} cannot be read as certificates in PEM.") from None
    return context
