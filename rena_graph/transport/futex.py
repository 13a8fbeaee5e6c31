"""Sleeping on and waking 32-bit words that processes share: Linux futexes on x86-64, through ctypes.

Waiting releases the GIL. Waking does not: it takes a fraction of a microsecond, and a thread that lets go of the
GIL for so short a call may have to wait milliseconds to get it back.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rena_graph.errors import TransportError

__all__ = ["MAX_WORDS", "WaitSet", "address_of", "wait", "waker"]

MAX_WORDS = 128
"""Words that one :class:`WaitSet` can watch: the kernel's ``FUTEX_WAITV_MAX``."""

_NR_FUTEX = 202
_NR_FUTEX_WAITV = 449
_FUTEX_WAIT = 0
_FUTEX_WAKE = 1
_FUTEX_PRIVATE = 128
_FUTEX2_U32 = 2
_CLOCK_MONOTONIC = 1
_EVERYBODY = 0x7FFF_FFFF
_QUIET = {errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT}
"""What ends a wait in the ordinary course: the word had changed already, a signal came, time is up."""


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))

    def set(self, seconds: float) -> None:
        """Take a number of seconds; what is negative becomes 0."""
        nanoseconds = max(0, int(seconds * 1e9))
        self.seconds, self.nanoseconds = divmod(nanoseconds, 1_000_000_000)


def _syscall(library: ctypes.CDLL, restype: type[Any] | None) -> Any:
    # No argtypes: every argument is a ctypes object made beforehand, which halves the cost of a call.
    function = library.syscall
    function.restype = restype
    return function


_libc = ctypes.CDLL(None, use_errno=True)
_sleep = _syscall(_libc, ctypes.c_long)
_wake = _syscall(ctypes.PyDLL(None), None)


def address_of(buffer: Any, offset: int = 0) -> int:
    """Address of byte `offset` of a writable buffer; whoever asks keeps the buffer alive."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer, offset))


def waker(address: int, *, private: bool = False) -> Callable[[], None]:
    """A function that wakes all who sleep on the word at `address`.

    Parameters
    ----------
    address : int
        Of a 32-bit word, a multiple of 4.
    private : bool
        Only this process's threads sleep there (cheaper for the kernel).
    """
    operation = _FUTEX_WAKE | (_FUTEX_PRIVATE if private else 0)
    return partial(
        _wake,
        ctypes.c_long(_NR_FUTEX),
        ctypes.c_void_p(address),
        ctypes.c_int(operation),
        ctypes.c_int(_EVERYBODY),
    )


def wait(address: int, expected: int, timeout: float) -> None:
    """Sleep while the shared word at `address` holds `expected`, at most `timeout` seconds.

    Returns early on a wake-up or a signal, at once when the word holds something else.
    """
    limit = _Timespec()
    limit.set(timeout)
    result = _sleep(
        ctypes.c_long(_NR_FUTEX),
        ctypes.c_void_p(address),
        ctypes.c_int(_FUTEX_WAIT),
        ctypes.c_uint32(expected & 0xFFFF_FFFF),
        ctypes.byref(limit),
    )
    if result < 0:
        _unless_quiet("futex")


class WaitSet:
    """Several words to sleep on at once.

    Parameters
    ----------
    words : sequence of (int, bool)
        Address of each word, and whether it is private to this process. At most :data:`MAX_WORDS`.

    Attributes
    ----------
    expected : memoryview
        ``expected[3 * i]`` is the value at which word ``i`` lets the caller sleep.
    """

    def __init__(self, words: Sequence[tuple[int, bool]]) -> None:
        if not 0 < len(words) <= MAX_WORDS:
            raise TransportError(f"{len(words)} words to wait for; the kernel takes 1 to {MAX_WORDS}")
        # struct futex_waitv {u64 val; u64 uaddr; u32 flags; u32 reserved}, one after another.
        self._table = (ctypes.c_uint64 * (3 * len(words)))()
        self.expected = memoryview(self._table).cast("B").cast("Q")
        for i, (address, private) in enumerate(words):
            self.expected[3 * i + 1] = address
            self.expected[3 * i + 2] = _FUTEX2_U32 | (_FUTEX_PRIVATE if private else 0)
        self._deadline = _Timespec()
        self._arguments = (
            ctypes.c_long(_NR_FUTEX_WAITV),
            ctypes.byref(self._table),
            ctypes.c_uint(len(words)),
            ctypes.c_uint(0),
            ctypes.byref(self._deadline),
            ctypes.c_int(_CLOCK_MONOTONIC),
        )

    def sleep(self, deadline: float) -> None:
        """Sleep until the monotonic time `deadline` (seconds), a wake-up, a signal, or a word off its value."""
        self._deadline.set(deadline)
        if _sleep(*self._arguments) < 0:
            _unless_quiet("futex_waitv")


def _unless_quiet(call: str) -> None:
    number = ctypes.get_errno()
    if number not in _QUIET:
        raise TransportError(f"{call} failed: {os.strerror(number)} (errno {number})")
