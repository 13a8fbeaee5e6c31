"""A publisher and a subscriber written with bare pyzmq, in PhysioLabXR's format, exchange data with a graph."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
import pytest

from tests.live.launching import launched, only_drops
from tests.live.processes import Message, ZmqPublisher, ZmqSubscriber
from tests.ports import free_port
from tests.runtime.live import balanced, collect, document, finish, kept, relay, told, wait_until

pytestmark = pytest.mark.ray

CHANNELS = 3
RATE = 1000.0
NOTHING_YET = -1.0


def source(port: int) -> dict[str, Any]:
    zmq = {"host": "127.0.0.1", "port": port, "clock": "lsl"}
    return {"from": {"zmq": zmq}, "channels": CHANNELS, "rate": RATE, "dtype": "float64"}


def sample(value: float) -> bytes:
    return struct.pack("<3d", value, np.inf, np.nan)


def message(value: float, stamp: float, topic: bytes = b"EEG") -> Message:
    return topic, struct.pack("<d", stamp), sample(value)


def warm_up(publisher: ZmqPublisher, subscriber: ZmqSubscriber) -> int:
    """Send until the subscriber hears, since nobody tells when its wish has reached the graph; gives how many."""
    for count in range(1, 1000):
        publisher.send(message(NOTHING_YET, pylsl.local_clock()))
        if subscriber.says("hearing", within=0.05):
            return count
    raise AssertionError("the subscriber hears nothing")


def test_samples_cross_the_graph_bit_for_bit(ray_address: str) -> None:
    port = free_port()
    nodes = {"pass": relay("EEG", "EEG-out", RATE, CHANNELS)}
    nodes["pass"]["outputs"]["EEG-out"]["to"] = {"zmq": {"port": port}}
    with ZmqPublisher() as publisher, ZmqSubscriber(port, "EEG-out") as subscriber:
        with launched(document({"EEG": source(publisher.port)}, nodes), ray_address) as run:
            publisher.subscribed()
            warm = warm_up(publisher, subscriber)
            stamps = pylsl.local_clock() + np.arange(2000) / RATE
            sent = [message(value, stamp) for value, stamp in enumerate(stamps)]
            publisher.send(*sent)
            wait_until(lambda: run.status()["streams"]["EEG"]["produced"] == warm + len(sent))
            run.stop()
            status = finish(run)
        received = subscriber.finished()
    balanced(status)
    only_drops(status)
    assert received[-len(sent) :] == [(b"EEG-out", *parts) for _, *parts in sent]
    assert all(parts[2] == sample(NOTHING_YET) for parts in received[: -len(sent)])


def test_what_is_no_sample_of_the_stream_is_counted_and_kept_out(ray_address: str, tmp_path: Path) -> None:
    nodes = {"last": collect(tmp_path / "a.npz", "EEG")}
    with ZmqPublisher() as publisher, launched(document({"EEG": source(publisher.port)}, nodes), ray_address) as run:
        publisher.subscribed()
        start = pylsl.local_clock()
        single = float(np.float32(start - 0.5))
        publisher.send(
            (b"EEG", struct.pack("<f", single), sample(0)),
            message(1, start),
            # A SUB socket that subscribed to EEG is sent EEG2 as well.
            *(message(100 + i, start, b"EEG2") for i in range(5)),
            (b"EEG", struct.pack("<d", start), sample(200)[:-1]),
            (b"EEG", struct.pack("<d", start), sample(201) + b"\0"),
            (b"EEG", b"\0\0\0", sample(202)),
            (b"EEG",),
            (b"EEG", b"", b"", sample(203)),
            (b"EEG", sample(2)),
            (b"EEG", sample(3)),
        )
        wait_until(lambda: run.status()["streams"]["EEG"]["produced"] == 4)
        end = pylsl.local_clock()
        run.stop()
        status = finish(run)
    balanced(status)
    only_drops(status)
    assert status["streams"]["EEG"]["rejected"] == 5
    assert 1 <= told(run).count("stream 'EEG': dropped a message") < 5, "said, but once a second at most"
    assert status["edges"][0]["delivered"] == 4
    data = kept(tmp_path / "a.npz")
    assert data["EEG"][:, 0].tolist() == [0, 1, 2, 3]
    stamps = data["EEG.stamps"]
    assert stamps[:2].tolist() == [single, start]
    assert start <= stamps[2] <= stamps[3] <= end


def test_a_publisher_that_died_is_taken_again(ray_address: str, tmp_path: Path) -> None:
    nodes = {"last": collect(tmp_path / "a.npz", "EEG")}
    with ZmqPublisher() as first, launched(document({"EEG": source(first.port)}, nodes), ray_address) as run:
        first.subscribed()
        first.send(*(message(i, pylsl.local_clock()) for i in range(10)))
        wait_until(lambda: run.status()["streams"]["EEG"]["produced"] == 10)
        first.kill()
        wait_until(lambda: run.status()["streams"]["EEG"]["source_state"] == "lost")
        with ZmqPublisher(first.port) as second:
            second.subscribed()
            second.send(*(message(10 + i, pylsl.local_clock()) for i in range(10)))
            wait_until(lambda: run.status()["streams"]["EEG"]["produced"] == 20)
            run.stop()
            status = finish(run)
    balanced(status)
    only_drops(status)
    stream = status["streams"]["EEG"]
    assert (stream["source_state"], stream["recoveries"], stream["gaps"]) == ("connected", 1, 1)
    assert kept(tmp_path / "a.npz")["EEG"][:, 0].tolist() == list(range(20))
