"""One ZMQ context for all links of a process, ended with the last of them, so that no thread of it is left."""

from __future__ import annotations

import threading

import zmq

__all__ = ["acquire", "release"]

_MAX_SOCKETS = 8192
_lock = threading.Lock()
_context: zmq.Context[zmq.Socket[bytes]] | None = None
_users = 0


def acquire() -> zmq.Context[zmq.Socket[bytes]]:
    """The context; give it back with :func:`release` after closing the sockets."""
    global _context, _users
    with _lock:
        if _context is None:
            _context = zmq.Context()
            _context.set(zmq.MAX_SOCKETS, _MAX_SOCKETS)
        _users += 1
        return _context


def release() -> None:
    """Give the context back. The last one waits until what was sent is on its way, as its sockets' linger allows."""
    global _context, _users
    with _lock:
        _users -= 1
        context = _context
        if _users or context is None:
            return
        _context = None
    context.term()
