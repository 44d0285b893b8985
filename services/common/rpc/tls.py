"""TLS between services: which files, what they must hold, and how they are replaced while a service runs."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

from services.common.settings import ServiceSettings, SettingsError

log = structlog.get_logger(__name__)
_CERTIFICATE, _KEY, _TRUSTED = "IMAGERAG_TLS_CERT_PATH", "IMAGERAG_TLS_KEY_PATH", "IMAGERAG_TLS_CA_PATH"


@dataclass(frozen=True)
class Pems:
    """What the files hold at one moment.

    Attributes:
        key: Private key; None without a certificate of one's own.
        certificate: Chain, the own certificate first; None as above.
        trusted: Authorities; None: a server asks clients for no certificate.
    """

    key: bytes | None
    certificate: bytes | None
    trusted: bytes | None


@dataclass(frozen=True)
class TlsFiles:
    """Paths of PEM files, checked by `server_tls` or `client_tls`. Files are read anew when they are needed.

    Attributes:
        certificate: The own certificate with its chain.
        key: Its private key.
        trusted: Authorities that others' certificates must come from.
    """

    certificate: Path | None
    key: Path | None
    trusted: Path | None

    def read(self) -> Pems:
        """Read the files.

        Raises:
            SettingsError: One cannot be read or is no PEM, or the key is not the certificate's.
        """
        key, certificate = _read(_KEY, self.key), _read(_CERTIFICATE, self.certificate)
        trusted = _read(_TRUSTED, self.trusted)
        if self.certificate is not None:
            _check(_CERTIFICATE, lambda context: context.load_cert_chain(str(self.certificate), self.key))
        if self.trusted is not None:
            _check(_TRUSTED, lambda context: context.load_verify_locations(str(self.trusted)))
        return Pems(key, certificate, trusted)

    def read_again(self, known: Pems) -> Pems:
        """Read the files; `known` if they cannot be used, for example because they are just being replaced."""
        try:
            return self.read()
        except SettingsError as error:
            log.warning("certificates_not_taken_over", detail=str(error))
            return known

    def server_credentials(self) -> grpc.ServerCredentials:
        """For a server: each handshake looks whether the files were replaced."""
        pems = self.read()
        return grpc.dynamic_ssl_server_credentials(
            _server_configuration(pems),
            _Watched(self, pems).configuration,  # type: ignore[arg-type]  # None is allowed: nothing changed
            require_client_authentication=self.trusted is not None,
        )


def channel_credentials(pems: Pems) -> grpc.ChannelCredentials:
    """For a channel: servers are checked by `pems.trusted`, and by the name that is called."""
    return grpc.ssl_channel_credentials(pems.trusted, pems.key, pems.certificate)


def server_tls(settings: ServiceSettings) -> TlsFiles | None:
    """The files of a server; None without TLS.

    Raises:
        SettingsError: The settings or the files do not make a whole.
    """
    files = _files(settings)
    if files is not None and files.certificate is None:
        raise SettingsError(f"{_TRUSTED} alone is not enough for a server: set {_CERTIFICATE} and {_KEY} as well.")
    return files


def client_tls(settings: ServiceSettings) -> TlsFiles | None:
    """The files of a service that calls others; None without TLS.

    Raises:
        SettingsError: The settings or the files do not make a whole.
    """
    files = _files(settings)
    if files is not None and files.trusted is None:
        raise SettingsError(
            f"{_TRUSTED} is missing: this service calls others and must know whose certificates to trust."
        )
    return files


def _files(settings: ServiceSettings) -> TlsFiles | None:
    files = TlsFiles(settings.tls_cert_path, settings.tls_key_path, settings.tls_ca_path)
    if (files.certificate is None) != (files.key is None):
        given, missing = (_CERTIFICATE, _KEY) if files.key is None else (_KEY, _CERTIFICATE)
        raise SettingsError(f"{given} is set and {missing} is not: set both or none.")
    if files.certificate is None and files.trusted is None:
        return None
    files.read()
    return files


class _Watched:
    """Gives gRPC a new configuration when the files were replaced. Called from gRPC's own threads."""

    def __init__(self, files: TlsFiles, pems: Pems) -> None:
        self._files, self._pems = files, pems
        self._lock = threading.Lock()

    def configuration(self) -> grpc.ServerCertificateConfiguration | None:
        """What changed since the last handshake; None: nothing."""
        with self._lock:
            pems = self._files.read_again(self._pems)
            if pems == self._pems:
                return None
            self._pems = pems
            log.info("certificates_replaced")
            return _server_configuration(pems)


def _server_configuration(pems: Pems) -> grpc.ServerCertificateConfiguration:
    assert pems.key is not None
    assert pems.certificate is not None
    return grpc.ssl_server_certificate_configuration([(pems.key, pems.certificate)], pems.trusted)


def _read(variable: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{variable}: {path} cannot be read: {error.strerror}.") from None


def _check(variable: str, load: Callable[[ssl.SSLContext], None]) -> None:
    try:
        load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    except (ssl.SSLError, OSError) as error:
        detail = getattr(error, "reason", None) or str(error)
        raise SettingsError(f"{variable}: not usable PEM, or not the certificate of its key ({detail}).") from None
