"""The error tree, its table, and its way over the wire."""

from __future__ import annotations

import grpc
import pytest

from services.common.errors import (
    FingerprintMismatchError,
    ImageragError,
    InternalError,
    Kind,
    error_classes,
    rebuild,
)
from services.common.status import STATUS, from_grpc_status, status_of


def _all_classes() -> list[type[ImageragError]]:
    found: list[type[ImageragError]] = []
    pending = [ImageragError]
    while pending:
        found.append(cls := pending.pop())
        # Others may refine a class for themselves; on the wire they are what they refine.
        pending.extend(sub for sub in cls.__subclasses__() if sub.__module__ == ImageragError.__module__)
    return found


def test_codes_are_unique() -> None:
    codes = [cls.code for cls in _all_classes() if cls is not ImageragError]
    assert len(codes) == len(set(codes))


def test_every_kind_has_a_status_and_no_two_share_an_http_status() -> None:
    assert set(STATUS) == set(Kind)
    assert len({status.http for status in STATUS.values()}) == len(Kind)


@pytest.mark.parametrize("code", sorted(error_classes()))
def test_an_error_comes_back_as_it_was_sent(code: str) -> None:
    error = rebuild(code, "why", retry_after_s=2.0)
    assert error.code == code
    if code != "internal":
        assert (error.message, error.retry_after_s) == ("why", 2.0)


@pytest.mark.parametrize("code", ["internal", "no such code", ""])
def test_an_unknown_code_does_not_carry_its_text(code: str) -> None:
    error = rebuild(code, "secret path /etc/x")
    assert isinstance(error, InternalError)
    assert "secret" not in error.message


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_a_failure_of_the_transport_is_a_domain_error(code: grpc.StatusCode) -> None:
    assert isinstance(from_grpc_status(code, "encoder"), ImageragError)


def test_a_mismatch_names_both() -> None:
    error = FingerprintMismatchError.between("model a", "model b")
    assert "model a" in error.message
    assert "model b" in error.message
    assert status_of(error).http == 409
