"""Streams between two hosts, over real sockets: once and in order, whatever the link does; and for nobody else."""

from __future__ import annotations

import pickle
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from rena_graph import kernel
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import EdgeColumn, StreamColumn
from rena_graph.transport.crossing import fast_link
from rena_graph.transport.crossing.keys import KeyPair, secure_client
from rena_graph.transport.crossing.messages import Data, Offer, Position, Time, TimeAsked, pack, unpack
from rena_graph.transport.crossing.receiver import Receiver
from rena_graph.transport.crossing.sender import Sender
from rena_graph.transport.crossing.small import PREFIX, SmallCodec
from rena_graph.transport.interface import ChunkInfo
from rena_graph.transport.wire import Codec
from tests.transport.crossing.wire_between import Between, stages
from tests.transport.stage import Stage, numbered, stamps, take, until


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Stage, Stage]]:
    near, far = stages(tmp_path)
    with near, far:
        yield near, far


def publish(writer: Any, first: int, count: int, step: int = 50, channels: int = 1) -> None:
    for start in range(first, first + count, step):
        size = min(step, first + count - start)
        writer.publish(numbered(start, size, channels), stamps(start, size), float(start))


def collect(reader: Any, count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    data: list[Any] = []
    times: list[Any] = []

    def all_there() -> bool:
        values, at = take(reader)
        data.append(values)
        times.append(at)
        return sum(map(len, times)) >= count

    until(all_there)
    return np.concatenate(data), np.concatenate(times)


@pytest.fixture
def python_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_link, "_usable", False)


@pytest.mark.parametrize("secure", [True, False])
def test_every_sample_arrives_with_its_stamp_number_and_origin(hosts: tuple[Stage, Stage], secure: bool) -> None:
    near, far = hosts
    with Between(near, far, secure=secure, capacity=100_000) as between:
        reader = far.reader(between.far_port)
        writer = near.writer(between.near_port)
        publish(writer, 0, 19_950)
        data, times = collect(reader, 19_950)
        assert np.array_equal(data[:, 0], np.arange(19_950))
        assert np.array_equal(times, stamps(0, 19_950))
        publish(writer, 19_950, 50)
        collect(reader, 50)
        newest = reader.newest()
        assert newest is not None
        assert newest.first + newest.count == 20_000
        assert newest.origin == 19_950.0
        until(between.sender.drained)
        assert near.edge(EdgeColumn.DELIVERED, 7) == 20_000
        assert near.balanced(7)
        writer.close()
        until(lambda: reader.ended)
    assert near.dropped(7) == {}
    assert far.balanced()


@pytest.mark.usefixtures("python_alone")
def test_without_the_kernel_it_is_all_the_same(hosts: tuple[Stage, Stage]) -> None:
    test_every_sample_arrives_with_its_stamp_number_and_origin(hosts, True)


@pytest.mark.usefixtures("python_alone")
def test_without_the_kernel_nobody_else_is_heard_either(hosts: tuple[Stage, Stage]) -> None:
    test_a_known_host_sends_only_what_is_its_own_and_only_sound_messages(hosts)


@pytest.mark.skipif(not fast_link._usable, reason=f"needs a C compiler: {kernel.missing}")
@pytest.mark.parametrize("secure", [True, False])
def test_small_chunks_cross_without_python(
    hosts: tuple[Stage, Stage], secure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = hosts
    slowly: list[str] = []

    def watch(owner: type, name: str) -> None:
        whole = getattr(owner, name)

        def watched(*given: Any) -> Any:
            slowly.append(name)
            return whole(*given)

        monkeypatch.setattr(owner, name, watched)

    watch(Sender, "_send")
    watch(Receiver, "_few")
    with Between(near, far, secure=secure) as between:
        reader = far.reader(between.far_port)
        writer = near.writer(between.near_port)
        for i in range(100):
            publish(writer, 10 * i, 10)
            data, _ = collect(reader, 10)
            assert np.array_equal(data[:, 0], np.arange(10 * i, 10 * i + 10))
        assert len(slowly) < 20, "the first ones may come before the link is there"


def test_text_and_wide_samples_cross_too(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    spec = StreamSpec("words", 2, "string", 0.0)
    with Between(near, far, spec=spec) as between:
        reader = far.reader(between.far_port)
        writer = near.writer(between.near_port)
        words = np.array([["a", "b"], ["", "ü" * 100_000]], dtype=object)
        writer.publish(words, stamps(0, 2))
        data, _ = collect(reader, 2)
        assert np.array_equal(data, words)


def test_a_frame_larger_than_a_piece_crosses_whole(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    spec = StreamSpec("video", 1920 * 1080 * 3, "uint8", 30.0)
    with Between(near, far, spec=spec, capacity=8) as between:
        reader = far.reader(between.far_port)
        writer = near.writer(between.near_port)
        for i in range(3):
            writer.publish(np.full((1, spec.channels), i, np.uint8), stamps(i, 1))
        data, _ = collect(reader, 3)
        assert [int(row[0]) for row in data] == [0, 1, 2]
        assert [int(row[-1]) for row in data] == [0, 1, 2]
        whole = np.arange(spec.channels, dtype=np.uint32).view(np.uint8)[: spec.channels].reshape(1, -1)
        writer.publish(whole, stamps(3, 1))
        assert np.array_equal(collect(reader, 1)[0], whole), "its pieces in their order"


def test_a_cut_link_loses_nothing_that_the_ring_still_holds(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    with Between(near, far, capacity=100_000) as between:
        reader = far.reader(between.far_port)
        writer = near.writer(between.near_port)
        publish(writer, 0, 5_000)
        collect(reader, 1)
        for i in range(1, 4):
            between.cable.cut()
            publish(writer, 5_000 * i, 5_000)
            between.cable.mend()
        until(between.sender.drained)
        until(lambda: (take(reader), reader.position == 20_000)[1])
    assert near.dropped(7) == {}
    assert far.dropped() == {}
    assert far.edge(EdgeColumn.DELIVERED) == 20_000


def test_what_the_ring_let_go_meanwhile_is_counted_as_lost_by_the_link(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    with Between(near, far, capacity=2048) as between:
        reader = far.reader(between.far_port)
        writer = near.writer(between.near_port)
        publish(writer, 0, 1_000)
        collect(reader, 1_000)
        between.cable.cut()
        publish(writer, 1_000, 50_000)
        between.cable.mend()
        seen: list[Any] = []

        def all_there() -> bool:
            seen.append(take(reader)[0])
            return reader.position == 51_000

        until(all_there)
        data = np.concatenate(seen)[:, 0]
        assert np.all(np.diff(data) > 0)
        assert data[-1] == 50_999
        lost = 50_000 - len(data)
        assert lost > 30_000
        assert far.dropped() == {"link": lost}
        assert far.balanced()
        assert far.stream(StreamColumn.LINK_LOST) == lost
        until(between.sender.drained)
        assert near.dropped(7) == {"link": lost}
        assert near.balanced(7)


def test_a_receiver_that_is_made_anew_goes_on_where_the_last_one_was(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    with Between(near, far, capacity=100_000) as between:
        reader = far.reader(between.far_port)
        writer = near.writer(between.near_port)
        publish(writer, 0, 5_000)
        collect(reader, 5_000)
        endpoint = between.receiver.endpoint
        between.receiver.close()
        publish(writer, 5_000, 5_000)
        between.receiver = between.receive(endpoint)
        data, _ = collect(reader, 5_000)
        assert np.array_equal(data[:, 0], np.arange(5_000, 10_000))
    assert far.dropped() == {}


def test_a_sender_that_is_made_anew_sends_nothing_twice(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    with Between(near, far, capacity=100_000) as between:
        reader = far.reader(between.far_port)
        writer = near.writer(between.near_port)
        publish(writer, 0, 5_000)
        collect(reader, 5_000)
        between.sender.close()
        publish(writer, 5_000, 5_000)
        between.sender = between.send()
        data, _ = collect(reader, 5_000)
        assert np.array_equal(data[:, 0], np.arange(5_000, 10_000))


def test_a_producer_on_another_host_goes_on_in_the_same_stream(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    with Between(near, far, capacity=100_000) as between:
        reader = far.reader(between.far_port)
        publish(near.writer(between.near_port), 0, 1_000)
        collect(reader, 1_000)
        between.sender.close()
        # The ring of another host, where the producer was placed anew: numbered from 0 again.
        between.near_port = near.port(capacity=1024, edges=(7,))
        writer = near.writer(between.near_port)
        between.sender = between.send(source=18)
        publish(writer, 0, 500)
        data, _ = collect(reader, 500)
        assert np.array_equal(data[:, 0], np.arange(500))
        assert reader.position == 1_500


def test_a_link_that_comes_later_carries_what_is_made_from_then_on(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    with Between(near, far, capacity=1024) as between:
        reader = far.reader(between.far_port)
        writer = near.writer(between.near_port)
        publish(writer, 0, 1_000)
        collect(reader, 1_000)
        between.sender.close()
        publish(writer, 1_000, 3_000)
        row = near.board.edge(7).ints
        row[EdgeColumn.START] = row[EdgeColumn.POSITION] = 4_000
        between.sender = between.send(source=18)
        publish(writer, 4_000, 500)
        data, _ = collect(reader, 500)
        assert np.array_equal(data[:, 0], np.arange(4_000, 4_500)), "none of what lies before"
        assert reader.position == 1_500
        until(lambda: row[EdgeColumn.POSITION] == 4_500)
        assert (row[EdgeColumn.START], row[EdgeColumn.DELIVERED]) == (4_000, 500)
        assert between.sender.drained()
    assert near.dropped(7) == {}
    assert far.dropped() == {}


def test_a_stream_that_is_left_is_its_new_writers(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    with Between(near, far, capacity=1024) as between:
        reader = far.reader(between.far_port)
        elsewhere = near.writer(between.near_port)
        publish(elsewhere, 0, 500)
        collect(reader, 500)
        between.receiver.leave(between.far_port.spec.name)
        between.receiver.leave(between.far_port.spec.name)
        publish(elsewhere, 500, 500)
        publish(far.writer(between.far_port, epoch=0), 7_000, 500)
        data, _ = collect(reader, 500)
        assert np.array_equal(data[:, 0], np.arange(7_000, 7_500))
        until(lambda: between.receiver.rejected > 0)
        assert reader.pending() == 0


def test_a_ring_that_comes_to_be_later_counts_on_from_where_it_is_told(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    with Between(near, far, capacity=1024) as between:
        later = far.port(StreamSpec("later", 1, "float64", 1000.0), edges=(2,))
        for _ in range(2):
            between.receiver.take(later, "near", far.board, first=321)
        assert far.board.stream(later.index).ints[StreamColumn.PRODUCED] == 321
        reader = far.reader(later, 2)
        assert (reader.position, reader.pending()) == (321, 0)


def test_a_blocking_reader_holds_up_the_producer_on_the_other_host(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    with Between(near, far, capacity=1024, policy="block") as between:
        reader = far.reader(between.far_port, policy="block")
        writer = near.writer(between.near_port)
        thread = threading.Thread(target=publish, args=(writer, 0, 20_000))
        thread.start()
        data, _ = collect(reader, 20_000)
        thread.join()
        assert np.array_equal(data[:, 0], np.arange(20_000))
    assert near.dropped(7) == {}
    assert far.dropped() == {}


def test_a_slow_reader_of_one_stream_costs_only_its_own_edge(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    with Between(near, far, capacity=1024) as between:
        slow, quick = far.reader(between.far_port, 0), far.reader(between.far_port, 1)
        writer = near.writer(between.near_port)
        for first in range(0, 20_000, 500):
            publish(writer, first, 500)
            collect(quick, 500)
        slow.pending()
        assert far.dropped(0)["overrun"] > 15_000
        assert far.dropped(1) == {}


# -- strangers ----------------------------------------------------------------------------------------
def stranger(between: Between, keys: KeyPair | None, server: bytes | None = None) -> zmq.Socket[bytes]:
    peer = between.contexts[0].socket(zmq.DEALER)
    peer.setsockopt(zmq.LINGER, 0)
    if keys is not None:
        secure_client(peer, keys, server or between.keys[1].public)
    peer.connect(between.receiver.endpoint)
    return peer


def false_data(stream: str = "s", count: int = 5) -> list[Any]:
    spec = StreamSpec("s", 1, "float64", 1000.0)
    info = ChunkInfo(0, count, 0.0, 0.0, 0)
    return [pack(Data(stream, 1, 0)), *Codec(spec).encode(info, numbered(666, count), stamps(666, count))]


def false_few(stream: str = "s", count: int = 5) -> bytes:
    spec = StreamSpec(stream, 1, "float64", 1000.0)
    return SmallCodec(spec).encode(1, 0, 0, 0.0, numbered(666, count), stamps(666, count))


def test_strangers_change_nothing(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    with Between(near, far, capacity=100_000) as between:
        reader = far.reader(between.far_port)
        writer = near.writer(between.near_port)
        publish(writer, 0, 1_000)
        peers = [
            stranger(between, None),
            stranger(between, KeyPair.make()),
            stranger(between, between.keys[0], KeyPair.make().public),
        ]
        for peer in peers:
            peer.send_multipart([pack(Offer("s", 99))])
            peer.send_multipart(false_data())
        port = int(between.receiver.endpoint.rpartition(":")[2])
        raw = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        raw[0].sendall(b"GET / HTTP/1.1\r\n\r\n" * 50)
        raw[1].sendall(bytes(range(256)) * 100)
        greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
        # A frame that claims 2 GiB, behind a greeting for a connection without keys.
        raw[2].sendall(greeting + b"\x02" + struct.pack(">Q", 2**31))
        until(lambda: between.receiver.refused >= 1)
        publish(writer, 1_000, 1_000)
        data, _ = collect(reader, 2_000)
        assert np.array_equal(data[:, 0], np.arange(2_000))
        for peer in peers:
            assert peer.poll(0) == 0, "a stranger is told nothing"
            peer.close()
        for end in raw:
            end.close()
    assert far.stream(StreamColumn.PRODUCED) == 2_000


def test_a_known_host_sends_only_what_is_its_own_and_only_sound_messages(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    other = KeyPair.make()
    with Between(near, far) as between:
        between.receiver._doorman._allowed[other.public] = "other"  # type: ignore[index]
        reader = far.reader(between.far_port)
        writer = near.writer(between.near_port)
        publish(writer, 0, 100)
        collect(reader, 100)
        peer = stranger(between, other)
        bad = [
            [pack(Offer("s", 99))],
            false_data(),
            [false_few()],
            [false_few("no such stream")],
            [false_few()[:30]],
            [PREFIX],
            [pack(Position("s", 1, 10**9, True))],
            false_data("no such stream"),
            [b"garbage"],
            [b""],
            [pickle.dumps({"a": 1})],
            [b"x"] * 10,
        ]
        for frames in bad:
            peer.send_multipart(frames)
        until(lambda: between.receiver.rejected == len(bad))
        peer.close()
        mine = stranger(between, between.keys[0])
        cut_short = [*false_data()[:-1], b"too short"]
        mine.send_multipart(cut_short)
        mine.send(false_few()[:-1])
        mine.send(false_few() + b"more")
        until(lambda: between.receiver.rejected == len(bad) + 3)
        # Of a generation that is over: nobody's fault, and left.
        mine.send(false_few())
        # Longer than any message of this stream can be: the connection goes, the process does not.
        mine.send_multipart([b"x" * (4 << 20)])
        mine.close()
        publish(writer, 100, 100)
        data, _ = collect(reader, 100)
        assert np.array_equal(data[:, 0], np.arange(100, 200))


def test_who_asks_for_the_time_is_told(hosts: tuple[Stage, Stage]) -> None:
    near, far = hosts
    with Between(near, far) as between:
        peer = stranger(between, between.keys[0])
        peer.send(pack(TimeAsked(7.0)))
        answer = unpack(peer.recv_multipart())
        assert answer == Time(7.0, 42.0, 42.0)
        peer.close()


def test_a_secret_key_does_not_travel() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(KeyPair.make())
    pair = KeyPair.make()
    assert pair.secret.decode() not in repr(pair)
