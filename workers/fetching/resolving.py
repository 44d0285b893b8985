"""From the name of a host to its addresses, within a time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Protocol

from services.common.errors import UrlError
from workers.fetching.addresses import Address
from workers.fetching.passing import PassingError
from workers.fetching.web_url import literal_address

_PERMANENT = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class Resolver(Protocol):
    """Looks names up."""

    def resolve(self, host: str, give_up_at: float) -> Sequence[Address]:
        """The addresses of a host, in the order in which they are to be tried; at least one.

        Args:
            host: See `WebUrl.host`.
            give_up_at: On the monotonic clock.

        Raises:
            UrlError: There is no such host.
            PassingError: It cannot be found out now.
        """


class SystemResolver:
    """The system's own: hosts file, name servers, search domains. See `Resolver`."""

    def resolve(self, host: str, give_up_at: float) -> Sequence[Address]:
        """See `Resolver.resolve`."""
        address = literal_address(host)
        if address is not None:
            return [address]
        # It takes no time limit, so it is left alone on a thread that does not keep the process from ending.
        lookup = _Lookup(host)
        lookup.start()
        lookup.join(max(0.0, give_up_at - time.monotonic()))
        return lookup.answer()


class _Lookup(threading.Thread):
    def __init__(self, host: str) -> None:
        super().__init__(name=f"lookup-{host}", daemon=True)
        self._host = host
        self._found: Sequence[str] | OSError | None = None

    def run(self) -> None:
        """Ask the system."""
        try:
            found = socket.getaddrinfo(self._host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            self._found = [str(each[4][0]) for each in found]
        except OSError as error:
            self._found = error
        except UnicodeError as error:  # of the codec for names: a label that it holds to be too long
            self._found = socket.gaierror(socket.EAI_NONAME, str(error))

    def answer(self) -> Sequence[Address]:
        """What was found; errors as in `Resolver.resolve`."""
        match self._found:
            case None:
                raise PassingError(f"The address of {self._host} was not found in time.")
            case OSError() as error if error.errno in _PERMANENT:
                raise UrlError(f"There is no host {self._host}.")
            case OSError() | []:
                raise PassingError(f"The address of {self._host} cannot be found now.")
            case found:
                # Each address once: some systems tell it for each protocol.
                return list(dict.fromkeys(ip_address(text) for text in found))
