"""Streams between the hosts of a run: real rings, boards, sockets and keys, several hosts in one process."""

from __future__ import annotations

import json
import logging
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from rena_graph.errors import EnvironmentRefused, Fenced, PortTaken, UsageError
from rena_graph.runtime.host import crossings as module
from rena_graph.runtime.host.link_identity import LINK_PORTS, LinkIdentity, binds
from rena_graph.runtime.hosts import probe
from rena_graph.runtime.hosts.host_clock import AgentClock, NodeClock
from rena_graph.transport.board import StreamColumn
from rena_graph.transport.crossing.keys import KeyPair, secure_client
from rena_graph.transport.crossing.messages import Offer, pack
from rena_graph.transport.interface import StreamReader, StreamWriter
from tests.runtime.several import LOOPBACK, Ahead, Run
from tests.transport.stage import numbered, stamps, take, until


def publish(writer: StreamWriter, first: int, count: int) -> None:
    for start in range(first, first + count, 100):
        writer.publish(numbered(start, 100, 3), stamps(start, 100))


def follow(reader: StreamReader, end: int) -> np.ndarray:
    """Sequence numbers and stamps of all that comes until the reader is at `end`."""
    seen = [np.empty((0, 2))]

    def there() -> bool:
        data, times = take(reader)
        seen.append(np.column_stack([data[:, 0], times]))
        return reader.position >= end

    until(there)
    return np.concatenate(seen)


def exactly(first: int, count: int) -> np.ndarray:
    return np.column_stack([np.arange(first, first + count), stamps(first, count)])


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run(tmp_path) as made:
        yield made


def test_each_host_gets_each_stream_once_sample_for_sample_and_the_ledgers_agree(run: Run) -> None:
    run.link()
    b, c = run.b.reader("X"), run.c.reader("X")
    back = run.a.reader("Y")
    writer, words = run.a.writer("X"), run.b.writer("Y")
    publish(writer, 0, 5000)
    said = np.array([["a", "ü"], ["", "b" * 1000]], dtype=object)
    words.publish(said, stamps(0, 2))
    assert np.array_equal(follow(b, 5000), exactly(0, 5000))
    assert np.array_equal(follow(c, 5000), exactly(0, 5000))
    until(lambda: back.pending() == 2)
    assert np.array_equal(take(back)[0], said)
    until(lambda: run.a.crossings.drained({"X"}))
    until(lambda: run.b.crossings.drained({"X", "Y"}))
    whole = {"position": 5000, "delivered": 5000}
    assert run.a.ledger(1) == run.a.ledger(2) == run.b.ledger() == run.c.ledger() == whole
    assert run.b.ledger(3) == run.a.ledger() == {"position": 2, "delivered": 2}
    # A stream that has ended has ended everywhere.
    writer.close()
    until(lambda: b.ended and c.ended)
    assert run.b.counted("X", StreamColumn.ENDED) == 1
    assert not back.ended


def test_nothing_is_drained_before_it_lies_in_the_other_hosts_ring(run: Run) -> None:
    for name, side in run.sides.items():
        run.endpoints[name] = side.receive(run.keys)
    run.a.connect(run.peers("a"))
    assert run.a.crossings.drained({"X"})
    run.c.crossings.close()
    publish(run.a.writer("X"), 0, 1000)
    until(lambda: run.b.counted("X", StreamColumn.PRODUCED) == 1000)
    assert not run.a.crossings.drained({"X"}), "one of the hosts that take it is gone"
    assert run.a.crossings.drained({"Y"})
    assert run.a.crossings.drained(set())
    run.again("c")
    until(lambda: run.a.crossings.drained({"X"}))
    assert run.c.counted("X", StreamColumn.PRODUCED) == 1000


def test_whatever_is_asked_for_twice_is_done_once(run: Run) -> None:
    run.link()
    before = dict(run.endpoints)
    run.link()
    assert run.endpoints == before
    reader = run.b.reader("X")
    publish(run.a.writer("X"), 0, 1000)
    assert np.array_equal(follow(reader, 1000), exactly(0, 1000))
    for _ in range(2):
        run.a.crossings.close()
    run.a.connect(run.peers("a"))  # too late: nothing


@pytest.mark.parametrize("host", ["a", "b"])
def test_another_agent_goes_on_with_the_same_keys_at_the_same_place_and_loses_nothing(run: Run, host: str) -> None:
    run.link()
    key = run.sides[host].crossings.public_key
    b, c = run.b.reader("X"), run.c.reader("X")
    writer = run.a.writer("X")
    publish(writer, 0, 2000)
    follow(b, 2000)
    run.sides[host].crossings.close()
    publish(writer, 2000, 2000)
    run.again(host)
    assert run.sides[host].crossings.public_key == key
    publish(writer, 4000, 1000)
    assert np.array_equal(follow(b, 5000), exactly(2000, 3000))
    assert np.array_equal(follow(c, 5000), exactly(0, 5000))
    until(lambda: run.a.crossings.drained({"X"}))
    whole = {"position": 5000, "delivered": 5000}
    assert run.a.ledger(1) == run.a.ledger(2) == run.b.ledger() == run.c.ledger() == whole


def test_an_agent_that_was_killed_holds_no_stream(run: Run) -> None:
    killed = run.b.writer("X")  # its epoch is held, and nobody lets go of it
    run.link()
    reader = run.b.reader("X")
    publish(run.a.writer("X"), 0, 100)
    assert np.array_equal(follow(reader, 100), exactly(0, 100))
    with pytest.raises(Fenced):
        publish(killed, 100, 100)


def test_what_a_link_lost_before_an_agent_died_stays_counted(tmp_path: Path) -> None:
    with Run(tmp_path, capacity=1024) as run:
        run.link()
        reader = run.b.reader("X")
        writer = run.a.writer("X")
        publish(writer, 0, 500)
        follow(reader, 500)
        run.b.crossings.close()
        publish(writer, 500, 5000)  # more than the ring holds
        run.again("b")
        follow(reader, 5500)
        until(lambda: run.a.crossings.drained({"X"}))
        lost = run.a.ledger(1)["link"]
        assert lost >= 5000 - 1024
        run.again("a")
        publish(writer, 5500, 500)
        run.again("b")
        follow(reader, 6000)
        until(lambda: run.a.crossings.drained({"X"}))
        assert run.a.ledger(1) == {"position": 6000, "delivered": 6000 - lost, "link": lost}
        assert run.b.ledger() == {"position": 6000, "delivered": 6000 - lost, "link": lost}
        assert run.b.counted("X", StreamColumn.LINK_LOST) == lost


def test_a_stream_that_had_ended_goes_on_when_its_node_is_started_again(run: Run) -> None:
    run.link()
    reader = run.b.reader("X")
    writer = run.a.writer("X")
    publish(writer, 0, 100)
    follow(reader, 100)
    writer.close()
    until(lambda: reader.ended)
    publish(run.a.writer("X", epoch=1), 100, 100)
    assert np.array_equal(follow(reader, 200), exactly(100, 100))
    assert not reader.ended


def test_strangers_are_turned_away_and_change_nothing(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run.link()
    reader = run.b.reader("X")
    writer = run.a.writer("X")
    publish(writer, 0, 1000)
    b = run.b.crossings.public_key
    with caplog.at_level(logging.WARNING), zmq.Context() as context:
        none, unknown, deceived = (context.socket(zmq.DEALER) for _ in range(3))
        secure_client(unknown, KeyPair.make(), b)
        secure_client(deceived, KeyPair.make(), KeyPair.make().public)
        for peer in (none, unknown, deceived):
            peer.setsockopt(zmq.LINGER, 0)
            peer.connect(run.endpoints["b"])
            peer.send_multipart([pack(Offer("X", 99))])
        address, port = run.endpoints["b"].removeprefix("tcp://").split(":")
        raw = [socket.create_connection((address, int(port))) for _ in range(2)]
        raw[0].sendall(bytes(range(256)) * 100)
        # A greeting for a connection without keys, and a frame that claims 2 GiB.
        greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
        raw[1].sendall(greeting + b"\x02" + struct.pack(">Q", 2**31))
        until(lambda: run.b.crossings.turned_away() > 0)
        publish(writer, 1000, 1000)
        assert np.array_equal(follow(reader, 2000), exactly(0, 2000))
        for peer in (none, unknown, deceived):
            assert peer.poll(0) == 0, "a stranger is told nothing"
            peer.close()
        for end in raw:
            end.close()
    assert "a connection from 127.0.0.1 was refused" in caplog.text
    assert run.a.crossings.turned_away() == run.c.crossings.turned_away() == 0


def test_a_host_of_the_run_sends_only_what_is_its_own(run: Run) -> None:
    run.link()
    reader = run.b.reader("X")
    writer = run.a.writer("X")
    publish(writer, 0, 100)
    kept = json.loads((run.c.folder / "link-identity").read_text())
    with zmq.Context() as context, context.socket(zmq.DEALER) as peer:
        peer.setsockopt(zmq.LINGER, 0)
        own = KeyPair(kept["public"].encode(), kept["secret"].encode())
        secure_client(peer, own, run.b.crossings.public_key)
        peer.connect(run.endpoints["b"])
        peer.send_multipart([pack(Offer("X", 99))])
        until(lambda: run.b.crossings.turned_away() == 1)
    publish(writer, 100, 100)
    assert np.array_equal(follow(reader, 200), exactly(0, 200))


def test_the_secret_key_lies_where_only_its_user_can_read_it(run: Run) -> None:
    path = run.a.folder / "link-identity"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in run.a.folder.iterdir() if "identity" in p.name] == ["link-identity"]
    spare = run.a.folder / "link-identity.new"
    spare.touch(0o644)  # what an agent left that died over it
    LinkIdentity(run.a.folder).keep("tcp://127.0.0.1:1")
    assert path.stat().st_mode & 0o777 == 0o600


# -- ports ---------------------------------------------------------------------------------------------
def test_a_range_of_ports_is_kept_to(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv(LINK_PORTS, f"{port}")
        with pytest.raises(PortTaken, match=f"{LINK_PORTS}={port}"):
            run.a.receive(run.keys)
        monkeypatch.setenv(LINK_PORTS, f"{port}-{port + 20}")
        found = int(run.a.receive(run.keys).rpartition(":")[2])
        assert port < found <= port + 20


def test_the_place_of_an_agent_before_is_waited_for_and_not_exchanged_for_another(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REBIND_SECONDS", 0.1)
    endpoint = run.a.receive(run.keys)
    run.a.crossings.close()
    run.a.crossings = run.a.made()
    host, port = endpoint.removeprefix("tcp://").split(":")
    with socket.create_server((host, int(port))), pytest.raises(PortTaken, match=port):
        run.a.receive(run.keys)
    assert run.a.receive(run.keys) == endpoint


@pytest.mark.parametrize("ports", ["a", "1-", "-2", "0-5", "5-4", "1-70000", "1-2-3"])
def test_what_is_no_range_of_ports_is_refused(ports: str) -> None:
    with pytest.raises(UsageError, match=LINK_PORTS):
        list(binds(LOOPBACK, ports))


def test_a_port_that_is_asked_for_is_not_exchanged_for_one_of_the_range() -> None:
    assert list(binds("tcp://127.0.0.1:5000", "17000-17001")) == ["tcp://127.0.0.1:5000"]
    assert list(binds(LOOPBACK, None)) == [LOOPBACK]


# -- time ----------------------------------------------------------------------------------------------
def test_all_hosts_get_the_time_of_one_and_the_next_agent_goes_on_without_a_jump(tmp_path: Path) -> None:
    ahead = 3 * 3600.0
    clock = AgentClock()
    with Run(tmp_path, {"a": Ahead(ahead), "b": clock}) as run:
        run.link()
        node = NodeClock(run.b.board.clock)
        assert node.now() == pytest.approx(time.monotonic() + ahead, abs=30)
        facts = run.b.crossings.time()
        assert facts is not None
        assert facts["offset"] == pytest.approx(ahead, abs=facts["uncertainty"] + 1e-4)
        assert run.a.crossings.time() is None, "its clock is graph time"
        before = node.now()
        run.b.clock = AgentClock()
        run.again("b")
        assert node.now() > before
        assert node.now() == pytest.approx(time.monotonic() + ahead, abs=30)
        again = run.b.crossings.time()
        assert again is not None
        assert again["offset"] == pytest.approx(ahead, abs=again["uncertainty"] + 1e-4)


def test_a_host_that_nobody_tells_the_time_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_LIMIT", 0.3)
    with Run(tmp_path, {"b": AgentClock()}) as run:
        for name, side in run.sides.items():
            run.endpoints[name] = side.receive(run.keys)
        run.a.crossings.close()
        with pytest.raises(EnvironmentRefused, match="did not tell the time"):
            run.b.connect(run.peers("b"))
