"""JSON Lines that are written for hours and read by anybody: cut into files, bounded in all, the gap said in words.

``NAME.jsonl`` is being written. When it has grown to a segment it becomes ``NAME-0001.jsonl`` and so on; of these the
first (how the run began) and the newest are kept.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["KEPT", "SEGMENT_BYTES", "SegmentTail", "SegmentWriter", "read_segments"]

log = logging.getLogger(__name__)

SEGMENT_BYTES = 8 << 20
KEPT = 8
"""Segments that are kept, the one being written included."""

Record = dict[str, Any]


def _numbered(folder: Path, name: str) -> dict[int, Path]:
    """The segments that are full, by number."""
    found = {}
    for path in folder.glob(f"{name}-*.jsonl"):
        number = path.stem.removeprefix(f"{name}-")
        if number.isdecimal():
            found[int(number)] = path
    return dict(sorted(found.items()))


class SegmentWriter:
    """Writes one such log.

    Parameters
    ----------
    folder, name : Path, str
        Where, and what the files are called.
    gap : callable
        Makes the record that stands for lines that were removed, of a text.
    segment_bytes, kept : int
        Size of a segment, and how many of them there are at most.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        gap: Callable[[str], Record],
        segment_bytes: int = SEGMENT_BYTES,
        kept: int = KEPT,
    ) -> None:
        self._folder = folder
        self._name = name
        self._gap = gap
        self._segment_bytes = segment_bytes
        self._kept = max(3, kept)
        self._removed = 0
        self._path = folder / f"{name}.jsonl"
        self._file = self._path.open("ab", buffering=0)
        if self._file.tell() and not _ends_a_line(self._path):
            self._file.write(b"\n")  # else our first record would be lost with its last, which death cut short

    def write(self, records: list[Record]) -> None:
        """Add records; they are in the file when this returns. After :meth:`close` they are lost.

        A disk that is full ends no run: what cannot be written is lost, which the process's own log says.
        """
        if not records or self._file.closed:
            return
        try:
            self._file.write(b"".join(json.dumps(record).encode() + b"\n" for record in records))
            if self._file.tell() >= self._segment_bytes:
                self._turn()
        except OSError as error:
            log.error("%d records for %s are lost: %s", len(records), self._path, error)

    def _turn(self) -> None:
        self._file.close()
        full = _numbered(self._folder, self._name)
        number = max(full, default=0) + 1
        self._path.rename(self._folder / f"{self._name}-{number:04}.jsonl")
        self._file = self._path.open("ab", buffering=0)
        numbers = [*full, number]
        for old in numbers[1 : len(numbers) - (self._kept - 2)]:
            self._removed += _lines(full[old])
            full[old].unlink()
        if self._removed:
            limit = self._segment_bytes * self._kept / 1e6
            text = f"{self._removed:,} lines after the first {self._segment_bytes / 1e6:.3g} MB were removed: this log "
            record = self._gap(f"{text}is kept below {limit:.3g} MB")
            self._file.write(json.dumps(record).encode() + b"\n")

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


class SegmentTail:
    """Reads what was added since the last look, over the ends of segments.

    Parameters
    ----------
    folder, name : Path, str
        As the writer's.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._number = 1
        self._offset = 0

    def skip(self) -> None:
        """Leave out all that is there now."""
        full = _numbered(self._folder, self._name)
        self._number = max(full, default=0) + 1
        try:
            size = (self._folder / f"{self._name}.jsonl").stat().st_size
        except FileNotFoundError:
            size = 0
        self._offset = size

    def read(self) -> list[Record]:
        """New records, oldest first; none while there is no file."""
        records: list[Record] = []
        while True:
            full = _numbered(self._folder, self._name)
            later = [number for number in full if number >= self._number]
            if later and later[0] != self._number:
                self._number, self._offset = later[0], 0  # what stood between is gone
            path = full.get(self._number, self._folder / f"{self._name}.jsonl")
            block = _rest(path, self._offset)
            if not later and self._number in _numbered(self._folder, self._name):
                continue  # it became full between the two looks, and what was read may be its successor's
            self._offset += len(block)
            records += _parsed(block)
            if not later:
                return records
            self._number, self._offset = self._number + 1, 0


def _rest(path: Path, offset: int) -> bytes:
    """Whole lines from `offset` on."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            block = file.read()
    except FileNotFoundError:
        return b""
    return block[: block.rfind(b"\n") + 1]


def _parsed(block: bytes) -> list[Record]:
    records = []
    for line in block.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue  # cut short by the death of its writer
        if isinstance(record, dict):
            records.append(record)
    return records


def read_segments(folder: Path, name: str) -> Iterator[Record]:
    """All records that are kept, oldest first, a segment at a time."""
    for path in [*_numbered(folder, name).values(), folder / f"{name}.jsonl"]:
        yield from _parsed(_rest(path, 0))
