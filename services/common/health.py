"""Asks a service of this machine whether it is well: `python -m services.common.health NAME`. For containers."""

from __future__ import annotations

import argparse
import http.client
import sys
from collections.abc import Callable
from typing import NoReturn

from pydantic import ValidationError

from services.common.settings import ServiceSettings

_TIMEOUT_S = 3.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound


def main() -> NoReturn:
    """Ask, and end with 0 (well), 1 (not well) or 2 (asked wrongly)."""
    parser = argparse.ArgumentParser(prog="python -m services.common.health")
    parser.add_argument("name", help="the service, as in its variables: IMAGERAG_<NAME>_PORT")
    parser.add_argument("--service", default="", help="name in gRPC's health service; none: all of it")
    parser.add_argument("--http", metavar="PATH", help="ask for a page instead")
    arguments = parser.parse_args()
    try:
        settings = read_settings(arguments.name)
    except ValidationError as error:
        print(f"{arguments.name}: wrong settings\n{error}", file=sys.stderr)
        sys.exit(2)
    host = _ANY_ADDRESS.get(settings.host, settings.host)
    if arguments.http:
        problem = ask_http(host, settings.port, arguments.http)
    else:
        # With TLS the probe asks beside it: it has no certificate to show, and calls no name to compare with.
        problem = ask_grpc(host, settings.health_port or settings.port, arguments.service)
    if problem:
        print(f"{arguments.name}: {problem}", file=sys.stderr)
    sys.exit(1 if problem else 0)


def read_settings(name: str) -> ServiceSettings:
    """What every deployable has, under the variables of the one called `name`.

    Raises:
        ValidationError: A variable is wrong.
    """
    read: Callable[..., ServiceSettings] = ServiceSettings  # the prefix is no field
    return read(_env_prefix=f"IMAGERAG_{name.upper()}_")


def ask_grpc(host: str, port: int, service: str) -> str:
    """Ask gRPC's health service.

    Returns:
        What is wrong; empty if nothing is.
    """
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(f"{host}:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            return f"port {port} answers {error.code().name}"
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return "" if status == "SERVING" else status


def ask_http(host: str, port: int, path: str) -> str:
    """Ask for a page; returns as `ask_grpc`."""
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return "" if answer.status == 200 else f"{path} answers {answer.status}"
    except (OSError, http.client.HTTPException) as error:
        return f"port {port} does not answer ({type(error).__name__})"
    finally:
        connection.close()


if __name__ == "__main__":
    main()
