"""One place to wait: several streams, a doorbell, a deadline, signals."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from rena_graph.transport import waiter as ring_waiter
from rena_graph.transport import zmq_waiter
from rena_graph.transport.interface import StreamReader, Waiter
from rena_graph.transport.links import open_waiter
from tests.limits import LIMIT

from .stage import Stage, numbered, stamps, take


@pytest.fixture(autouse=True)
def no_early_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What should wake and does not must show: no wait ends by itself."""
    monkeypatch.setattr(ring_waiter, "LONGEST", 3600.0)
    monkeypatch.setattr(zmq_waiter, "_LONGEST", 3600.0)


@pytest.fixture
def opened(stage: Stage) -> Iterator[list[Waiter]]:
    waiters: list[Waiter] = []
    yield waiters
    for waiter in waiters:
        waiter.close()


def _waiter(stage: Stage, opened: list[Waiter], readers: list[StreamReader]) -> Waiter:
    """One that has returned once, and so waits for what comes from now on."""
    waiter = open_waiter(stage.transport, readers)
    opened.append(waiter)
    if readers:
        waiter.wait(None, True)
    return waiter


def test_the_first_wait_for_data_returns_at_once(stage: Stage, opened: list[Waiter]) -> None:
    waiter = open_waiter(stage.transport, [stage.reader(stage.port())])
    opened.append(waiter)
    waiter.wait(None, True)


@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_so_it_does_when_data_came_since_it_was_opened(stage: Stage, opened: list[Waiter], chunks: int) -> None:
    writer, reader = stage.pair(stage.port())
    waiter = open_waiter(stage.transport, [reader])
    opened.append(waiter)
    for i in range(chunks):
        writer.publish(numbered(i, 1), stamps(i, 1))
    waiter.wait(None, True)


def test_data_on_any_stream_wakes(stage: Stage, opened: list[Waiter]) -> None:
    pairs = [stage.pair(stage.port(edges=(0,)))]
    for i in (1, 2):
        port = stage.port(edges=(i,))
        reader = stage.reader(port, i)
        writer = stage.writer(port)
        assert writer.wait_for_readers(1, LIMIT)
        pairs.append((writer, reader))
    waiter = _waiter(stage, opened, [reader for _, reader in pairs])
    for writer, reader in pairs:
        timer = threading.Timer(0.01, writer.publish, (numbered(0, 1), stamps(0, 1)))
        timer.start()
        while not reader.pending():
            waiter.wait(None, True)
        timer.join()
        take(reader)


def test_data_that_came_before_the_wait_wakes_it(stage: Stage, opened: list[Waiter]) -> None:
    writer, reader = stage.pair(stage.port())
    waiter = _waiter(stage, opened, [reader])
    for i in range(200):
        writer.publish(numbered(i, 1), stamps(i, 1))
        while not reader.pending():
            waiter.wait(None, True)
        take(reader)


def test_what_was_left_lying_does_not_wake(stage: Stage, opened: list[Waiter]) -> None:
    writer, reader = stage.pair(stage.port())
    writer.publish(numbered(0, 3), stamps(0, 3))
    stage.settle(reader, 3)
    waiter = _waiter(stage, opened, [reader])
    waiter.wait(time.monotonic(), True)
    deadline = time.monotonic() + 0.02
    waiter.wait(deadline, True)
    assert time.monotonic() >= deadline
    assert reader.pending() == 3


def test_the_end_of_a_stream_wakes(stage: Stage, opened: list[Waiter]) -> None:
    writer, reader = stage.pair(stage.port())
    waiter = _waiter(stage, opened, [reader])
    timer = threading.Timer(0.01, writer.close)
    timer.start()
    while not reader.ended:
        waiter.wait(None, True)
    timer.join()


@pytest.mark.parametrize("on_data", [True, False])
def test_a_deadline_ends_the_wait(stage: Stage, opened: list[Waiter], on_data: bool) -> None:
    waiter = _waiter(stage, opened, [stage.reader(stage.port())])
    deadline = time.monotonic() + 0.02
    waiter.wait(deadline, on_data)
    assert time.monotonic() >= deadline
    waiter.wait(deadline, on_data)


def test_without_on_data_only_doorbell_and_deadline_count(stage: Stage, opened: list[Waiter]) -> None:
    writer, reader = stage.pair(stage.port())
    waiter = _waiter(stage, opened, [reader])
    waiter.wait(time.monotonic(), False)
    writer.publish(numbered(0, 1), stamps(0, 1))
    stage.settle(reader, 1)
    deadline = time.monotonic() + 0.02
    waiter.wait(deadline, False)
    assert time.monotonic() >= deadline
    # What came meanwhile is still news for the next wait for data.
    waiter.wait(None, True)


@pytest.mark.parametrize("on_data", [True, False])
def test_the_doorbell_wakes_from_another_thread(stage: Stage, opened: list[Waiter], on_data: bool) -> None:
    waiter = _waiter(stage, opened, [])
    for _ in range(3):
        timer = threading.Timer(0.01, waiter.doorbell.ring)
        timer.start()
        waiter.wait(None, on_data)
        timer.join()


@pytest.mark.parametrize("on_data", [True, False])
def test_a_doorbell_rung_before_the_wait_is_remembered(stage: Stage, opened: list[Waiter], on_data: bool) -> None:
    waiter = _waiter(stage, opened, [])
    for _ in range(3):
        waiter.doorbell.ring()
        waiter.doorbell.ring()
        waiter.wait(None, on_data)
    # Rings are not counted: two before one wait are one.
    deadline = time.monotonic() + 0.02
    waiter.wait(deadline, on_data)
    assert time.monotonic() >= deadline


def test_many_threads_ring_and_none_is_missed(stage: Stage, opened: list[Waiter]) -> None:
    waiter = _waiter(stage, opened, [])
    rung = [0] * 4
    total = 500

    def ring(which: int) -> None:
        for _ in range(total):
            rung[which] += 1
            waiter.doorbell.ring()

    threads = [threading.Thread(target=ring, args=(i,)) for i in range(len(rung))]
    for thread in threads:
        thread.start()
    while sum(rung) < total * len(rung):
        waiter.wait(None, False)
    for thread in threads:
        thread.join()


def test_a_signal_handler_runs_and_may_ring(stage: Stage, opened: list[Waiter]) -> None:
    waiter = _waiter(stage, opened, [])
    caught: list[int] = []

    def handle(number: int, _: object) -> None:
        caught.append(number)
        waiter.doorbell.ring()

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        while not caught:
            waiter.wait(None, True)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_exception_in_a_signal_handler_comes_through(stage: Stage, opened: list[Waiter]) -> None:
    waiter = _waiter(stage, opened, [])

    def handle(number: int, _: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(KeyboardInterrupt):
            waiter.wait(None, True)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_wait_lets_other_threads_run(stage: Stage, opened: list[Waiter]) -> None:
    waiter = _waiter(stage, opened, [])
    ran = threading.Event()

    def work() -> None:
        ran.set()
        waiter.doorbell.ring()

    thread = threading.Thread(target=work)
    thread.start()
    waiter.wait(None, False)
    assert ran.is_set()
    thread.join()


def test_a_closed_waiter_may_be_rung(stage: Stage) -> None:
    waiter = open_waiter(stage.transport, [stage.reader(stage.port())])
    waiter.close()
    waiter.doorbell.ring()


def test_more_rings_than_one_call_can_watch(ring_stage: Stage) -> None:
    stage = ring_stage
    readers = []
    ports = [stage.port(capacity=64, edges=()) for _ in range(4)]
    readers = [stage.reader(ports[i % 4], i % 8) for i in range(130)]
    waiter = open_waiter("ring", readers)
    writer = stage.writer(ports[129 % 4])
    waiter.wait(None, True)
    timer = threading.Timer(0.01, writer.publish, (numbered(0, 1), stamps(0, 1)))
    timer.start()
    # Only the last one is looked at: it is beyond what the kernel watches.
    while not readers[129].pending():
        waiter.wait(None, True)
    timer.join()
    waiter.close()
