"""Segments: how they lie, how they are mapped, what is refused, and that nothing stays."""

from __future__ import annotations

import errno
import gc
import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.errors import SharedMemoryShort, TransportError
from rena_graph.graph.document import DTYPES
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport import links, mapping
from rena_graph.transport.geometry import PAGE, Geometry
from rena_graph.transport.interface import EdgeOptions
from rena_graph.transport.links import check_shared_memory, create_stream, remove_stream, segment_bytes
from rena_graph.transport.mapping import map_segment

from .stage import Stage, numbered, stamps, take


@given(st.integers(1, 8_000_000), st.sampled_from(DTYPES), st.integers(1, 200_000))
def test_regions_are_whole_pages_and_whole_slots(channels: int, dtype: str, capacity: int) -> None:
    spec = StreamSpec("s", channels, dtype)
    geometry = Geometry.of(spec, capacity)
    assert geometry.capacity >= capacity
    assert geometry.stride >= spec.sample_bytes
    assert geometry.stride % (8 if spec.is_string else spec.numpy_dtype.itemsize) == 0
    assert all(size % PAGE == 0 for size in (*geometry.mirrored, geometry.head_bytes))
    assert geometry.mirrored[0] == geometry.capacity * geometry.stride
    assert geometry.stamps >= geometry.capacity
    # Every chunk that still has a sample in the ring is remembered, up to a limit.
    assert geometry.records >= min(geometry.capacity, 4096)
    # Rounding wastes little, or little in bytes, or less than a page for each of a few wide samples.
    needed = max(4, capacity) * spec.sample_bytes
    assert geometry.mirrored[0] <= max(
        1.25 * needed, needed + 256 * 1024, max(4, capacity) * (spec.sample_bytes + PAGE)
    )


@pytest.mark.parametrize(
    ("channels", "dtype", "capacity"),
    [
        (1, "int8", 5),
        (3, "uint8", 700),
        (1, "float64", 1),
        (7, "float64", 13),
        (4099, "uint8", 100),
        (100_003, "int16", 9),
    ],
)
def test_every_span_is_contiguous(ring_stage: Stage, channels: int, dtype: str, capacity: int) -> None:
    stage = ring_stage
    port = stage.port(StreamSpec("s", channels, dtype), capacity)
    writer, reader = stage.pair(port)
    capacity = Geometry.of(port.spec, capacity).capacity
    size = max(1, capacity // 3)
    for first in range(0, 2 * capacity + size, size):
        column = (np.arange(first, first + size) % 100).astype(dtype)
        writer.publish(np.repeat(column[:, None], channels, axis=1), stamps(first, size))
        assert reader.pending() == size
        data, times = reader.peek()
        assert data.shape == (size, channels)
        assert (data == column[:, None]).all()
        np.testing.assert_array_equal(times, stamps(first, size))
        assert reader.commit(size)


def test_a_segment_is_private_and_allocated(ring_stage: Stage) -> None:
    port = ring_stage.port()
    facts = Path(port.address).stat()
    assert stat.S_IMODE(facts.st_mode) == 0o600
    assert facts.st_size == segment_bytes(port)
    assert facts.st_blocks * 512 >= facts.st_size


def test_removing_twice_is_as_good(stage: Stage) -> None:
    port = stage.port()
    stage.pair(port)
    remove_stream(port)
    assert not Path(port.address.removeprefix("ipc://")).exists()
    remove_stream(port)


def test_a_segment_is_not_made_twice(ring_stage: Stage) -> None:
    port = ring_stage.port()
    with pytest.raises(TransportError, match=r"cannot make the segment .* of stream 's': File exists"):
        create_stream(port)


def test_nothing_stays_mapped(ring_stage: Stage) -> None:
    stage = ring_stage
    port = stage.port()

    def maps() -> int:
        return Path("/proc/self/maps").read_text().count(port.address)

    writer = links.open_writer(port, stage.board, 0)
    reader = links.open_reader(port, EdgeOptions(0), stage.board)
    writer.publish(numbered(0, 3), stamps(0, 3))
    data, times = reader.peek(reader.pending())
    assert maps() > 0
    writer.close()
    reader.close()
    del writer, reader
    gc.collect()
    np.testing.assert_array_equal(data, numbered(0, 3))
    del data, times
    gc.collect()
    assert maps() == 0


def test_no_file_stays_open(stage: Stage) -> None:
    port = stage.port()
    gc.collect()  # what others have left is closed now, and not in between
    before = len(os.listdir("/proc/self/fd"))
    writer, reader = stage.pair(port)
    if stage.transport == "ring":
        assert len(os.listdir("/proc/self/fd")) <= before
    writer.close()
    reader.close()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_reader_cannot_write_into_the_ring(ring_stage: Stage) -> None:
    stage = ring_stage
    port = stage.port()
    writer, reader = stage.pair(port)
    writer.publish(numbered(0, 3), stamps(0, 3))
    reader.pending()
    data, _ = reader.peek()
    with pytest.raises(ValueError, match="WRITEABLE"):
        data.flags.writeable = True


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"spec": StreamSpec("s", 2, "float64", 1000.0)}, "was made for another format or capacity"),
        ({"spec": StreamSpec("s", 1, "int64", 1000.0)}, "dtype is 9, expected 3"),
        ({"capacity": 4096}, "was made for another format or capacity"),
        ({"address": "/dev/shm/rgtest-missing"}, "No such file"),
    ],
)
def test_another_streams_segment_is_refused(ring_stage: Stage, change: dict[str, object], says: str) -> None:
    port = replace(ring_stage.port(), **change)  # type: ignore[arg-type]
    with pytest.raises(TransportError) as caught:
        map_segment(Path(port.address), port.spec, port.capacity, writable=False)
    assert says in str(caught.value)
    assert "stream 's'" in str(caught.value)


def test_a_segment_that_is_none_is_refused(ring_stage: Stage) -> None:
    port = ring_stage.port()
    with open(port.address, "r+b") as file:
        file.write(bytes(8))
    with pytest.raises(TransportError, match="magic is 0"):
        ring_stage.reader(port)


def test_too_little_shared_memory_is_an_error_with_figures(stage: Stage) -> None:
    ports = [
        replace(stage.port(), spec=StreamSpec(name, channels, "float64"), capacity=10_000)
        for name, channels in (("narrow", 1), ("wide", 100), ("wider", 200))
    ]
    if stage.transport == "zmq":
        check_shared_memory(ports, free=0)
        return
    needed = sum(map(segment_bytes, ports))
    check_shared_memory(ports, free=needed)
    check_shared_memory(ports)
    with pytest.raises(SharedMemoryShort) as caught:
        check_shared_memory(ports, free=needed - 1)
    text = str(caught.value)
    assert f"{needed:,} bytes" in text
    assert f"{needed - 1:,} are free" in text
    assert text.index("'wider'") < text.index("'wide'") < text.index("'narrow'")


def test_running_out_while_allocating_leaves_nothing(ring_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    port = replace(ring_stage.port(), address=f"/dev/shm/rgtest-full-{os.getpid()}")

    def full(fd: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(SharedMemoryShort, match=rf"'s' needs {segment_bytes(port):,} bytes .* --shm-size"):
        create_stream(port)
    assert not Path(port.address).exists()


def test_a_huge_stream_is_refused_by_the_kernel_itself(ring_stage: Stage) -> None:
    port = replace(ring_stage.port(), address=f"/dev/shm/rgtest-huge-{os.getpid()}", capacity=10**13)
    with pytest.raises(SharedMemoryShort):
        create_stream(port)
    assert not Path(port.address).exists()


def test_shared_memory_that_is_not_there_is_none(short_folder: Path) -> None:
    assert links.shared_memory_free() > 0
    assert mapping.shared_memory_free(short_folder / "missing") == 0


def test_chunks_are_forgotten_with_the_oldest_first(ring_stage: Stage) -> None:
    stage = ring_stage
    port = stage.port(StreamSpec("s", 64, "float64"), 8)
    writer, reader = stage.pair(port)
    for i in range(100):
        writer.publish(numbered(i, 1, 64), stamps(i, 1))
        take(reader)
        known = [sequence for sequence in range(i + 1) if reader.chunk_at(sequence) is not None]
        assert known == list(range(max(0, i + 1 - 7), i + 1))
