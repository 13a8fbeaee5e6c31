"""Links with the compiled kernel: a small chunk takes one call into C at each end, every other one goes to Python.

Only where there are compiled rings, and where the library that ``zmq`` has loaded shows its functions; elsewhere
sender and receiver do all of it themselves.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import zmq

from rena_graph.transport import fast
from rena_graph.transport.crossing.small import SmallCodec, lead_of
from rena_graph.transport.interface import Waiter
from rena_graph.transport.ring_reader import RingReader

if TYPE_CHECKING or fast.usable:
    from rena_graph.kernel import _core
if TYPE_CHECKING:
    from rena_graph.transport.crossing.inlet import Inlet

__all__ = ["DOOR", "LEFT", "NOTHING", "Slots", "open_outlet"]

NOTHING, DOOR, LEFT = -1, -2, -3
"""What an intake receives, where it is no slot: no message, somebody at the door, a message that is left to Python."""

_MESSAGE_FUNCTIONS = ("init", "init_size", "close", "data", "size", "more", "send", "recv", "gets")
_FUNCTIONS = (*(f"zmq_msg_{name}" for name in _MESSAGE_FUNCTIONS), "zmq_poll", "zmq_errno")


def _use_zmq() -> bool:
    """Let the kernel call ZMQ's functions; False where they cannot be had."""
    if not fast.usable:
        return False
    try:
        from zmq.backend.cython import _zmq

        # By way of what is loaded already, wherever it lies: another copy of ZMQ would not know these sockets.
        library = ctypes.CDLL(_zmq.__file__)
        found = tuple(ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in _FUNCTIONS)
        numbers = (ctypes.c_int * 3)()
        library.zmq_version(*(ctypes.byref(numbers, 4 * i) for i in range(3)))
    except (ImportError, AttributeError, OSError):
        return False
    if tuple(numbers) != zmq.zmq_version_info() or numbers[0] != 4:
        return False
    _core.use_zmq(found)
    return True


_usable = _use_zmq()


def open_outlet(
    reader: RingReader, waiter: Waiter, socket: zmq.Socket[bytes], small: SmallCodec
) -> _core.Outlet | None:
    """Waits for the ring's small chunks and sends them; None: that is for Python to do."""
    if not (_usable and small.most and isinstance(reader, fast.FastRingReader)):
        return None
    assert isinstance(waiter, fast.FastRingWaiter), "it comes with the reader"
    lead, identity = lead_of(small.identity), small.identity
    return _core.Outlet(reader, waiter.sleeper, socket.underlying, lead, identity, small.most)


class Slots:
    """Where the kernel takes in what is small: a slot for each stream of plain numbers.

    An armed slot takes what goes on where the last chunk stopped; all else is left to Python, which arms it anew.

    Attributes
    ----------
    intake : Intake | None
        The kernel's; None: Python receives all of it.

    Parameters
    ----------
    router, door : zmq.Socket
        To where messages come, and to where those who want in.
    secure : bool
        Whether it matters who sends a stream.
    """

    def __init__(self, router: zmq.Socket[bytes], door: zmq.Socket[bytes], secure: bool) -> None:
        self.intake = _core.Intake(router.underlying, door.underlying) if _usable else None
        self._secure = secure
        self._router, self._door = router, door
        self._poller = zmq.Poller()
        self._poller.register(router, zmq.POLLIN)
        self._poller.register(door, zmq.POLLIN)
        self._inlets: dict[int, Inlet] = {}

    def receive(self, milliseconds: int) -> int:
        """The slot whose ring has the next message now; or :data:`NOTHING`, :data:`DOOR`, :data:`LEFT`."""
        if self.intake is not None:
            return self.intake.receive(milliseconds)
        ready = dict(self._poller.poll(milliseconds))
        return DOOR if self._door in ready else LEFT if self._router in ready else NOTHING

    def of(self, slot: int) -> Inlet | None:
        """Whose slot it is; None where that was forgotten."""
        return self._inlets.get(slot)

    def admit(self, inlet: Inlet) -> None:
        """Have a slot for its writer, if what it writes is plain."""
        self.forget(inlet)
        if self.intake is None or not inlet.small.plain or not isinstance(inlet.writer, fast.FastRingWriter):
            return
        identity, host = inlet.small.identity, inlet.host if self._secure else None
        inlet.slot = self.intake.admit(lead_of(identity), identity, host, inlet.writer)
        self._inlets[inlet.slot] = inlet

    def hear(self, inlet: Inlet) -> None:
        """It comes from another host from now on."""
        if self.intake is not None and inlet.slot is not None and self._secure:
            self.intake.hear(inlet.slot, inlet.host)

    def forget(self, inlet: Inlet) -> None:
        """Nothing more goes into its ring from here."""
        if self.intake is not None and inlet.slot is not None:
            self.intake.forget(inlet.slot)
            del self._inlets[inlet.slot]
            inlet.slot = None

    def arm(self, inlet: Inlet) -> None:
        """Let the kernel go on from here; what has to wait, and what begins anew, is looked at before."""
        if self.intake is None or inlet.slot is None:
            return
        if inlet.waiting or inlet.ended or inlet.flow.source is None:
            self.intake.disarm(inlet.slot)
        else:
            self.intake.arm(inlet.slot, inlet.flow.generation, inlet.flow.next)
