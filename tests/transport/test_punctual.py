"""Threads that are on time: what the system was asked for, for the calling thread alone."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from rena_graph.transport.punctual import SHORT_TURN, be_punctual

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is asked for is Linux's")

GET_SLACK = 30
GET_ATTR = {"x86_64": 315, "aarch64": 275}.get(platform.machine())
T = TypeVar("T")
ATTR = struct.Struct("=IIQiIQQQII")


def in_a_thread(work: Callable[[], T]) -> T:
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def slack() -> int:
    return int(ctypes.CDLL(None).prctl(GET_SLACK, 0, 0, 0, 0))


def attributes() -> tuple[int, int, int]:
    """Policy, nice value, and the length of a turn in nanoseconds, of the calling thread."""
    if GET_ATTR is None:
        pytest.skip(f"no number of the call is known for {platform.machine()}")
    told = ctypes.create_string_buffer(ATTR.size)
    assert ctypes.CDLL(None).syscall(GET_ATTR, 0, told, ATTR.size, 0) == 0
    _, policy, _, nice, _, turn, *_ = ATTR.unpack(told.raw)
    return policy, nice, turn


def test_timers_are_sharp_for_the_calling_thread_only() -> None:
    def sharpen() -> int:
        be_punctual()
        return slack()

    before = slack()
    assert in_a_thread(sharpen) == 1
    assert slack() == before


def test_turns_are_short_for_the_calling_thread_and_not_for_what_it_starts() -> None:
    def shorten() -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        os.setpriority(os.PRIO_PROCESS, 0, 3)
        be_punctual()
        return attributes(), in_a_thread(attributes)

    before = attributes()
    own, started = in_a_thread(shorten)
    assert attributes() == before
    assert own[:2] == started[:2] == (os.SCHED_OTHER, 3)
    if tuple(map(int, platform.release().split("-")[0].split(".")[:2])) < (6, 12):
        pytest.skip("Linux takes the wish from 6.12 on")
    assert own[2] == SHORT_TURN
    assert started[2] == before[2]


def test_another_way_of_scheduling_is_left_alone() -> None:
    def chosen() -> int:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        be_punctual()
        return os.sched_getscheduler(0)

    assert in_a_thread(chosen) == os.SCHED_BATCH
