"""Saved states in their two files: whole, bounded, and there for the next process."""

from __future__ import annotations

from pathlib import Path

import pytest

from rena_graph.errors import TransportError
from rena_graph.transport import state_files
from rena_graph.transport.state_files import StateFiles


def test_a_state_is_there_for_the_next_process_and_grows(tmp_path: Path) -> None:
    prefix = str(tmp_path / "state")
    files = StateFiles(prefix)
    for size in (0, 10, 3, 100_000, 5):
        files.write(1, b"a" * size)
        files.write(2, b"b" * (size + 1))
        assert StateFiles(prefix).read(1, size) == b"a" * size
        assert StateFiles(prefix).read(2, size + 1) == b"b" * (size + 1)
    files.close()
    again = StateFiles(prefix)
    again.write(1, b"c")
    assert again.read(1, 1) == b"c"
    again.close()
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())
    StateFiles.remove(prefix)
    StateFiles.remove(prefix)
    assert not list(tmp_path.iterdir())


def test_beyond_the_limit_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_files, "STATE_LIMIT", 100)
    files = StateFiles(str(tmp_path / "state"))
    files.write(1, b"x" * 100)
    with pytest.raises(TransportError, match=r"101 bytes.* 100 at most"):
        files.write(1, b"y" * 101)
    assert files.read(1, 100) == b"x" * 100
    files.close()


def test_no_room_is_an_error_not_a_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, offset: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    files = StateFiles(str(tmp_path / "state"))
    with pytest.raises(TransportError, match=r"no room.*No space left"):
        files.write(1, b"x")


def test_what_is_missing_or_short_is_said(tmp_path: Path) -> None:
    files = StateFiles(str(tmp_path / "state"))
    with pytest.raises(TransportError, match="cannot be read"):
        files.read(1, 1)
    (tmp_path / "state-1").write_bytes(b"ab")
    with pytest.raises(TransportError, match="2 bytes where 3 were saved"):
        files.read(1, 3)
