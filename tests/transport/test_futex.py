"""The futex calls themselves."""

from __future__ import annotations

import ctypes
import threading
import time

import pytest

from rena_graph.errors import TransportError
from rena_graph.transport import futex


def test_a_word_that_differs_does_not_let_sleep() -> None:
    word = ctypes.c_uint32(5)
    futex.wait(futex.address_of(word), 4, 3600.0)
    words = futex.WaitSet([(futex.address_of(word), True)])
    words.expected[0] = 4
    words.sleep(time.monotonic() + 3600.0)


def test_only_the_low_half_of_a_large_number_is_compared() -> None:
    cell = ctypes.c_uint64(2**33 + 7)
    started = time.monotonic()
    futex.wait(futex.address_of(cell), 2**33 + 7, 0.01)
    assert time.monotonic() - started >= 0.01
    futex.wait(futex.address_of(cell), 2**33 + 8, 3600.0)


def test_a_deadline_in_the_past_is_over() -> None:
    word = ctypes.c_uint32(0)
    words = futex.WaitSet([(futex.address_of(word), True)])
    for deadline in (0.0, -5.0, time.monotonic() - 1):
        words.sleep(deadline)


@pytest.mark.parametrize("private", [True, False])
def test_waking_wakes_everybody(private: bool) -> None:
    word = ctypes.c_uint32(0)
    address = futex.address_of(word)
    about_to_sleep = threading.Semaphore(0)

    def sleep() -> None:
        words = futex.WaitSet([(address, private)])
        about_to_sleep.release()
        words.sleep(time.monotonic() + 3600.0)

    threads = [threading.Thread(target=sleep) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in threads:
        about_to_sleep.acquire()
    # Those that sleep already are woken, those that do not yet find the word changed.
    word.value = 1
    futex.waker(address, private=private)()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("count", [0, futex.MAX_WORDS + 1])
def test_the_kernel_takes_1_to_128_words(count: int) -> None:
    word = ctypes.c_uint32(0)
    with pytest.raises(TransportError, match=f"^{count} words"):
        futex.WaitSet([(futex.address_of(word), True)] * count)


def test_128_words_are_watched() -> None:
    words = (ctypes.c_uint32 * futex.MAX_WORDS)()
    base = ctypes.addressof(words)
    watched = futex.WaitSet([(base + 4 * i, True) for i in range(futex.MAX_WORDS)])
    words[futex.MAX_WORDS - 1] = 1
    watched.sleep(time.monotonic() + 3600.0)


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(TransportError, match="futex_waitv failed: Bad address"):
        futex.WaitSet([(0x1000, False)]).sleep(time.monotonic() + 1)
    with pytest.raises(TransportError, match="futex failed: Invalid argument"):
        futex.wait(0x1001, 0, 1.0)
