"""What a private cluster is told, and how it ends."""

from __future__ import annotations

import signal

import pytest

from services.cli.evaluation.cluster import _ending_in_order, own_environment


def test_nothing_leads_it_to_other_servers() -> None:
    theirs = {"QDRANT_URL": "http://prod", "BROKER_URL": "redis://prod", "CACHE_URL": "redis://prod"}
    ours = {"PATH": "/bin", "HF_ENDPOINT": "https://mirror", "HOME": "/root"}
    assert (
        own_environment({**theirs, **ours, "IMAGERAG_DATA_URL": "s3://prod", "QDRANT_API_KEY": "secret"}) == ours
    )


def test_a_kind_kill_unwinds_the_stack_and_restores_the_handler() -> None:
    before, unwound = signal.getsignal(signal.SIGTERM), list[bool]()

    def be_killed() -> None:
        with _ending_in_order():
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                unwound.append(True)

    with pytest.raises(SystemExit) as ended:
        be_killed()
    assert unwound
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
