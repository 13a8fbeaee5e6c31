"""The run's control socket: one JSON object a line, asked and answered, over a Unix socket of mode 0600."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rena_graph.errors import ExitCode, RenaGraphError

__all__ = ["MAX_LINE", "ControlServer"]

log = logging.getLogger(__name__)

MAX_LINE = 4 << 20
_CREDENTIALS = struct.Struct("iII")
_COMMAND_SHOWN = 300

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class ControlServer:
    """Answers requests.

    Parameters
    ----------
    path : Path
        Of the socket.
    handler : coroutine function
        Takes a request, gives the fields of its answer; raises :class:`RenaGraphError` for what it refuses. The
        request's ``peer`` says who asks: ``pid``, ``uid``, ``command``.
    """

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.AbstractServer | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen. The socket is open to nobody else at any moment: its folder is 0700, and the umask is set."""
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(self._path), limit=MAX_LINE)
        finally:
            os.umask(before)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line, writer)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as error:
            # ValueError: a line beyond the limit. Either way this client is gone, the run is not.
            log.info("a control connection ended: %s", error)
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> dict[str, Any]:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("not an object")
        except ValueError as error:
            return {
                "ok": False,
                "error": f"the request is not a JSON object: {error}",
                "exit_code": int(ExitCode.USAGE),
            }
        try:
            return {"ok": True, **await self._handler({**request, "peer": _peer(writer)})}
        except RenaGraphError as error:
            return {"ok": False, "error": str(error), "exit_code": int(error.exit_code)}

    async def close(self) -> None:
        """Stop listening; answers under way are finished."""
        if self._server is not None:
            self._server.close()
        writers = list(self._connections)
        for writer in writers:
            writer.close()
        for writer in writers:
            with suppress(ConnectionError):
                await writer.wait_closed()
        self._path.unlink(missing_ok=True)


def _peer(writer: asyncio.StreamWriter) -> dict[str, Any] | None:
    """Who is at the other end, as the kernel knows it; None where it does not say."""
    peer = writer.get_extra_info("socket")
    if peer is None or not hasattr(socket, "SO_PEERCRED"):
        return None
    pid, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        command = None
    return {"pid": pid, "uid": uid, "command": command if command is None else command[:_COMMAND_SHOWN]}
