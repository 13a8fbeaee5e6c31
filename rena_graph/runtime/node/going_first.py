"""Real-time scheduling of a node's loop, where the system lets it: ``"scheduling": "realtime"``."""

from __future__ import annotations

import os

__all__ = ["go_first"]

PRIORITY = 1
"""The lowest of the real-time priorities: before all ordinary programs, after whatever else somebody made real-time."""


def go_first() -> str | None:
    """Let the calling thread run before all programs of ordinary scheduling, as soon as it wakes (``SCHED_FIFO``).

    Processes and threads that it starts afterwards are ordinary again.

    Returns
    -------
    str | None
        What to tell the user where the system refuses; the thread runs on as before then.
    """
    if not hasattr(os, "sched_setscheduler"):
        return "scheduling 'realtime' is not to be had on this system; the node runs as any other program"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except OSError as error:
        return (
            f"scheduling 'realtime' is refused ({error.strerror}); the node runs as any other program. It takes "
            "CAP_SYS_NICE or an rtprio limit of 1 or more: a line '@GROUP - rtprio 1' in /etc/security/limits.conf for "
            "a group that you are in, or `docker run --cap-add SYS_NICE`"
        )
    return None
