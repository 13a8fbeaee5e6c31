"""A ring's shared-memory segment: made, mapped with its regions mirrored, removed."""

from __future__ import annotations

import ctypes
import errno
import logging
import mmap
import os
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.errors import SharedMemoryShort, TransportError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.geometry import MAGIC, PAGE, RECORD_BYTES, Geometry, Word

__all__ = ["SHARED_MEMORY", "Segment", "create_segment", "map_mirrored", "map_segment", "shared_memory_free"]

logger = logging.getLogger(__name__)

SHARED_MEMORY = "/dev/shm"

_MAP_FIXED = 0x10
_MAP_NORESERVE = 0x4000
_PROT_NONE = 0
_POPULATE_READ = 22
_POPULATE_WRITE = 23
_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class _Pages:
    """Owns a range of addresses, which is unmapped when no array of it is left."""

    def __init__(self, address: int, size: int) -> None:
        self.address = address
        self.size = size
        # Not at exit: a thread may still be in the middle of a copy then, and the kernel unmaps everything anyhow.
        weakref.finalize(self, _libc.munmap, address, size).atexit = False

    def place(self, offset: int, size: int, fd: int, file_offset: int, writable: bool) -> None:
        """Put a piece of the file over a piece of the range."""
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        _mmap(self.address + offset, size, protection, mmap.MAP_SHARED | _MAP_FIXED, fd, file_offset)
        # Page tables filled now spare the first lap a fault for each page. Only a matter of speed.
        advice = _POPULATE_WRITE if writable else _POPULATE_READ
        if _libc.madvise(self.address + offset, size, advice):
            logger.debug("pages not populated: %s", os.strerror(ctypes.get_errno()))

    def array(self, offset: int, size: int, writable: bool) -> NDArray[np.uint8]:
        """A part of the range; it keeps the whole of it alive."""
        return np.asarray(_Part(self, offset, size, writable))


class _Part:
    """What numpy makes an array of, and keeps as its base. Read-only here is read-only for every view."""

    def __init__(self, pages: _Pages, offset: int, size: int, writable: bool) -> None:
        self._pages = pages
        place = (pages.address + offset, not writable)
        self.__array_interface__ = {"data": place, "shape": (size,), "typestr": "|u1", "version": 3}


def _mmap(address: int | None, size: int, protection: int, flags: int, fd: int, offset: int) -> int:
    result = _libc.mmap(address, size, protection, flags, fd, offset)
    if result == _FAILED:
        number = ctypes.get_errno()
        raise TransportError(f"cannot map {size:,} bytes: {os.strerror(number)} (errno {number})")
    return int(result)


def map_mirrored(
    fd: int, plain: int, mirrored: tuple[int, ...], *, writable: bool, plain_writable: bool = True
) -> list[NDArray[np.uint8]]:
    """Map a file: `plain` bytes once, writable unless said otherwise, then each of the `mirrored` regions twice.

    Parameters
    ----------
    fd : int
        The open file; may be closed afterwards.
    plain, mirrored : int, tuple of int
        Bytes, whole pages, as they follow each other in the file.
    writable, plain_writable : bool
        Whether the mirrored regions, and the plain bytes, may be written.

    Returns
    -------
    list of ndarray of uint8
        One for each region, a mirrored one of twice its size. The mapping lives as long as any view of them.
    """
    size = plain + 2 * sum(mirrored)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
    pages = _Pages(_mmap(None, size, _PROT_NONE, flags, -1, 0), size)
    pages.place(0, plain, fd, 0, plain_writable)
    views = [pages.array(0, plain, plain_writable)]
    offset = file_offset = plain
    for region in mirrored:
        views.append(pages.array(offset, 2 * region, writable))
        for _ in range(2 if region else 0):
            pages.place(offset, region, fd, file_offset, writable)
            offset += region
        file_offset += region
    return views


@dataclass(frozen=True)
class Segment:
    """One ring, mapped.

    Attributes
    ----------
    words : memoryview
        The header, as unsigned 64-bit integers; see :class:`~rena_graph.transport.geometry.Word`.
    bell : memoryview
        The doorbell, one unsigned 32-bit integer.
    bell_address : int
        Where it lies in this process.
    records : memoryview
        Bytes of the chunk records.
    data : ndarray
        ``(2 * capacity, channels)``: the slots, mirrored; for text ``(2 * capacity, 2 * channels)`` of uint64,
        offset and length of each string.
    stamps : ndarray of float64
        ``(2 * geometry.stamps,)``: seconds, mirrored.
    heap : memoryview
        Bytes of text, mirrored.
    """

    geometry: Geometry
    words: memoryview
    bell: memoryview
    bell_address: int
    records: memoryview
    data: NDArray[Any]
    stamps: NDArray[np.float64]
    heap: memoryview


def create_segment(path: Path, spec: StreamSpec, capacity: int) -> None:
    """Make a ring's segment (mode 0600), with all its memory allocated.

    Raises
    ------
    SharedMemoryShort
        There is not enough; nothing is left behind.
    """
    geometry = Geometry.of(spec, capacity)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as problem:
        raise TransportError(f"cannot make the segment {path} of stream {spec.name!r}: {problem.strerror}") from problem
    try:
        os.posix_fallocate(fd, 0, geometry.file_bytes)
        _write_header(fd, geometry)
    except OSError as problem:
        path.unlink()
        if problem.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG):
            raise TransportError(f"cannot allocate the segment {path} of stream {spec.name!r}: {problem}") from problem
        raise SharedMemoryShort(
            f"stream {spec.name!r} needs {geometry.file_bytes:,} bytes of shared memory for {geometry.capacity:,} "
            f"samples; {path.parent} has {shared_memory_free(path.parent):,} left. Shorten buffer_duration, or make "
            f"it larger (in Docker: --shm-size)"
        ) from problem
    finally:
        os.close(fd)


def _write_header(fd: int, geometry: Geometry) -> None:
    with mmap.mmap(fd, PAGE) as page, memoryview(page) as view, view.cast("Q") as words:
        for word, value in geometry.facts.items():
            words[word] = value
        words[Word.MAGIC] = MAGIC


def map_segment(
    path: Path, spec: StreamSpec, capacity: int, *, writable: bool, header_writable: bool = True
) -> Segment:
    """Map a ring that :func:`create_segment` made; without `writable`, its samples only for reading.

    Readers announce themselves in the header; whoever only looks maps that for reading, too.

    Raises
    ------
    TransportError
        There is none, or it is another stream's, or of another version.
    """
    geometry = Geometry.of(spec, capacity)
    try:
        fd = os.open(path, os.O_RDWR if header_writable else os.O_RDONLY)
    except OSError as problem:
        raise TransportError(f"cannot open the segment {path} of stream {spec.name!r}: {problem.strerror}") from problem
    try:
        if os.fstat(fd).st_size != geometry.file_bytes:
            raise TransportError(
                f"segment {path} of stream {spec.name!r} has {os.fstat(fd).st_size:,} bytes, expected "
                f"{geometry.file_bytes:,}: it was made for another format or capacity"
            )
        regions = map_mirrored(
            fd, geometry.head_bytes, geometry.mirrored, writable=writable, plain_writable=header_writable
        )
    finally:
        os.close(fd)
    return _dress(path, spec, geometry, regions)


def _dress(path: Path, spec: StreamSpec, geometry: Geometry, regions: list[NDArray[np.uint8]]) -> Segment:
    head, data, stamps, heap = regions
    words = head[:PAGE].data.cast("Q")
    expected = {Word.MAGIC: MAGIC, **geometry.facts}
    for word, value in expected.items():
        if words[word] != value:
            raise TransportError(
                f"segment {path} of stream {spec.name!r}: {word.name.lower()} is {words[word]}, expected {value}; "
                f"it is another stream's, or of another version of rena_graph"
            )
    dtype = np.dtype(np.uint64) if spec.is_string else spec.numpy_dtype
    columns = 2 * spec.channels if spec.is_string else spec.channels
    slots: NDArray[Any] = np.ndarray(
        (2 * geometry.capacity, columns), dtype, buffer=data, strides=(geometry.stride, dtype.itemsize)
    )
    bell = head[8 * Word.DOORBELL : 8 * Word.DOORBELL + 4]
    return Segment(
        geometry=geometry,
        words=words,
        bell=bell.data.cast("I"),
        bell_address=bell.ctypes.data,
        records=head[PAGE : PAGE + geometry.records * RECORD_BYTES].data,
        data=slots,
        stamps=stamps.view(np.float64),
        heap=heap.data,
    )


def shared_memory_free(folder: str | Path = SHARED_MEMORY) -> int:
    """Bytes of shared memory that are not in use on this machine; 0 where there is none."""
    try:
        figures = os.statvfs(folder)
    except OSError:
        return 0
    return figures.f_bavail * figures.f_frsize
