"""Who may speak to whom: CURVE key pairs, one a host and run, and the list of those that are let in.

Only public keys travel. What ZMQ asks about a connection (its "ZAP" protocol, RFC 27) is answered from a list that is
complete before the first socket is bound; whoever is not on it does not get past the handshake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import zmq
from zmq.utils import z85

__all__ = ["Doorman", "KeyPair", "secure_client", "secure_server"]

_ZAP = "inproc://zeromq.zap.01"


@dataclass(frozen=True)
class KeyPair:
    """One host's keys for one run, as Z85 text."""

    public: bytes
    secret: bytes = field(repr=False)

    @classmethod
    def make(cls) -> KeyPair:
        """A new pair."""
        return cls(*zmq.curve_keypair())

    def __reduce__(self) -> str:
        raise TypeError("a secret key does not travel")


def secure_client(socket: zmq.Socket[bytes], own: KeyPair, server: bytes) -> None:
    """Let the socket speak to nobody but the holder of the public key `server`."""
    socket.setsockopt(zmq.CURVE_SERVERKEY, server)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, own.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, own.secret)


def secure_server(socket: zmq.Socket[bytes], own: KeyPair) -> None:
    """Let the socket be spoken to by those whom the context's :class:`Doorman` knows."""
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, own.secret)
    socket.setsockopt_string(zmq.ZAP_DOMAIN, "rena_graph")


class Doorman:
    """Answers ZMQ's question whether a connection may be made; there is one in a ZMQ context.

    Parameters
    ----------
    context : zmq.Context
        Whose sockets it guards.
    allowed : mapping of bytes to str
        Public keys, and the name of the host whose each is. May grow while it runs.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], allowed: Mapping[bytes, str]) -> None:
        self._allowed = allowed
        self.refused = 0
        """Connections that were not let in."""
        self.socket = context.socket(zmq.REP)
        self.socket.bind(_ZAP)

    def answer(self) -> str | None:
        """Answer one question; call when the socket has one. The address that was refused; None where none was."""
        frames = self.socket.recv_multipart()
        host = self._host(frames)
        request = frames[1] if len(frames) > 1 else b""
        verdict = [b"200", b"OK", host.encode()] if host is not None else [b"400", b"unknown key", b""]
        self.socket.send_multipart([b"1.0", request, *verdict, b""])
        if host is not None:
            return None
        self.refused += 1
        return frames[3].decode(errors="replace") if len(frames) > 3 else "nowhere"

    def _host(self, frames: list[bytes]) -> str | None:
        if len(frames) != 7 or frames[0] != b"1.0" or frames[5] != b"CURVE":
            return None
        try:
            return self._allowed.get(z85.encode(frames[6]))
        except ValueError:
            return None

    def close(self) -> None:
        """Let nobody in any more; at once another may stand at the door."""
        self.socket.unbind(_ZAP)
        self.socket.close(linger=0)
