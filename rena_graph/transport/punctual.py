"""Threads that are on time: sleeps that end when they should, and a turn at once for whoever wakes (Linux)."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

__all__ = ["be_punctual"]

_PR_SET_TIMERSLACK = 29
_NR_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}.get(platform.machine())
_SCHED_FLAG_RESET_ON_FORK = 1
_SCHED_ATTR = struct.Struct("=IIQiIQQQII")
"""``struct sched_attr``: size, policy, flags, nice, priority, runtime, deadline, period, smallest and largest clamp."""
SHORT_TURN = 100_000
"""Nanoseconds: the shortest that Linux takes."""


def be_punctual() -> None:
    """Let the calling thread be on time, as far as the system lets anybody without rights of their own.

    Linux otherwise adds up to 50 µs to sleeps, so that it can wake several sleepers at once, and whoever wakes waits
    until whoever runs has had its turn: milliseconds. From 6.12 on a thread may ask for shorter turns, and then goes
    before those with longer ones when it wakes, without getting more of the processor. Earlier kernels take the wish
    and do nothing; threads and processes started afterwards have ordinary turns.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    library.prctl(ctypes.c_int(_PR_SET_TIMERSLACK), ctypes.c_ulong(1), 0, 0, 0)
    if _NR_SCHED_SETATTR is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return  # somebody has chosen another way of scheduling
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wish = _SCHED_ATTR.pack(
        _SCHED_ATTR.size, os.SCHED_OTHER, _SCHED_FLAG_RESET_ON_FORK, nice, 0, SHORT_TURN, 0, 0, 0, 0
    )
    # Refused where a sandbox knows no such call: then turns are as they are.
    library.syscall(ctypes.c_long(_NR_SCHED_SETATTR), ctypes.c_int(0), ctypes.c_char_p(wish), ctypes.c_uint(0))
