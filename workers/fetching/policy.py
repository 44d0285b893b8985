"""What may be fetched, and how much of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.common.errors import UrlForbiddenError
from workers.fetching.addresses import Address, Network, may_reach
from workers.fetching.host_rules import HostRule
from workers.fetching.web_url import WebUrl

HOSTS_SETTING = "IMAGERAG_WORKERS_URL_HOSTS"
NETWORKS_SETTING = "IMAGERAG_WORKERS_URL_NETWORKS"
_MIB = 1024**2


@dataclass(frozen=True)
class FetchPolicy:
    """What an operator allows.

    Attributes:
        hosts: Those that may be fetched from; none: nothing may.
        networks: Networks that are not public and may be reached all the same.
        limit_bytes: Largest file that is not a picture; pictures have a limit of their own.
        timeout_s: Longest time for one URL, with its redirects and all tries.
        at_once: URLs that one process fetches at a time; waiting takes no processor, but hosts count connections.
        max_redirects: Most redirects of one URL.
        max_tries: Tries while a host does not answer, or says "later".
        ca_path: Authority that certificates may come from beside the public ones, PEM.
    """

    hosts: Sequence[HostRule] = ()
    networks: Sequence[Network] = ()
    limit_bytes: int = 256 * _MIB
    timeout_s: float = 45.0
    at_once: int = 16
    max_redirects: int = 5
    max_tries: int = 3
    ca_path: Path | None = None

    def check_host(self, url: WebUrl) -> None:
        """Let pass what may be asked for. Of a redirect, each URL is checked.

        Raises:
            UrlForbiddenError: No rule allows host and port; or the host is an address that may not be reached.
        """
        if not any(rule.allows(url.host, url.port) for rule in self.hosts):
            raise UrlForbiddenError(
                f"{url.host}, port {url.port}, is not among the hosts that {HOSTS_SETTING} allows."
            )
        address = url.address
        if address is not None:
            self.check_addresses(url.host, [address])

    def check_addresses(self, host: str, addresses: Sequence[Address]) -> None:
        """Let pass a host whose every address may be connected to: one bad among good ones is a trap.

        Raises:
            UrlForbiddenError: An address may not be reached. It is not named: a caller need not know our network.
        """
        if not addresses or not all(may_reach(address, self.networks) for address in addresses):
            raise UrlForbiddenError(
                f"{host} does not lie on the public internet, nor in a network that {NETWORKS_SETTING} allows."
            )
