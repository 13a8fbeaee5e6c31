"""The compiled kernel against the Python that it speeds up: the same calls leave the same memory behind."""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rena_graph import kernel
from rena_graph.errors import Fenced, UsageError
from rena_graph.graph.document import InputDef
from rena_graph.kernel.building import build, digest, file_name
from rena_graph.runtime.node import compiled as compiled_loop
from rena_graph.runtime.node.compiled import SOME_LEFT, open_feed, open_send, plain_senders
from rena_graph.runtime.node.feed import Feed
from rena_graph.runtime.node.tally import Tally, open_tally
from rena_graph.runtime.setup import InputSetup
from rena_graph.streams.buffer import InputBuffer
from rena_graph.streams.fast_window import FastPort, FastView, FastWindow
from rena_graph.streams.input_port import InputPort, Layout
from rena_graph.streams.outputs import OutputPort, Outputs
from rena_graph.streams.shown import ShownWindow
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport import fast
from rena_graph.transport.board import Board, EdgeColumn
from rena_graph.transport.commit import Commit
from rena_graph.transport.geometry import RECORD_BYTES, Word
from rena_graph.transport.interface import EdgeOptions, StreamPort
from rena_graph.transport.links import create_stream, open_waiter, remove_stream
from rena_graph.transport.ring import RingWriter
from rena_graph.transport.ring_reader import RingReader
from tests.limits import LIMIT

from .stage import Stage, numbered, stamps

compiled = pytest.mark.skipif(not fast.usable, reason=f"needs a C compiler: {kernel.missing}")
CHANNELS, CAPACITY, WINDOW = 64, 8, 5
"""64 channels of float64 are 512 bytes: eight slots fill a page, so that this is what the ring really holds."""
POLICIES = ("fifo", "latest", "block", "fifo", "latest")
ACCESSES = ("copy", "copy", "copy", "view", "view")
LAYOUTS: tuple[Layout, ...] = ("samples_first", "channels_first", "samples_first", "samples_first", "channels_first")


def test_what_is_compiled_is_what_python_takes_it_for(tmp_path: Path) -> None:
    """Also where this tree's own kernel was not built, or is switched off."""
    folder = Path(kernel.__file__).parent
    if refusal := build(folder, tmp_path / file_name()):
        pytest.skip(f"needs a C compiler: no kernel can be built here: {refusal}")
    spec = spec_from_file_location("_core", tmp_path / file_name())
    assert spec is not None
    core = module_from_spec(spec)
    assert core.LAYOUT == fast.LAYOUT
    assert digest(folder) == core.SOURCE


def test_a_kernel_of_other_sources_is_known_by_its_digest(tmp_path: Path) -> None:
    for path in Path(kernel.__file__).parent.glob("*.[ch]"):
        shutil.copy(path, tmp_path)
    assert digest(tmp_path) == digest(Path(kernel.__file__).parent)
    with (tmp_path / "writer.c").open("a") as file:
        file.write("/* another */\n")
    assert digest(tmp_path) != digest(Path(kernel.__file__).parent)


def test_without_a_compiler_one_is_told_why_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_config_var", lambda name: "/no/such/compiler" if name == "CC" else ".so")
    reason = build(Path(kernel.__file__).parent, tmp_path / "_core.so")
    assert "no C compiler" in reason or sys.platform != "linux"
    assert not list(tmp_path.iterdir())


class World:
    """A stream, its writer and five readers, of which two only look: all in Python, or with the kernel."""

    def __init__(self, folder: Path, name: str, rate: float) -> None:
        self.compiled = name == "compiled"
        self.board = Board.create(folder / f"{name}.board", streams=1, edges=len(POLICIES), nodes=1)
        self.spec = StreamSpec("s", CHANNELS, "float64", rate)
        self.port = StreamPort(self.spec, "ring", str(folder / name), CAPACITY, 0, tuple(range(len(POLICIES))))
        create_stream(self.port)
        self.readers: list[RingReader] = []
        self.feeds: list[Feed] = []
        for edge in range(len(POLICIES)):
            self.readers.append(self.reader(edge))
            self.feeds.append(self.feed(edge))
        self.writer = self.open(0)
        self.outputs = Outputs([OutputPort("x", self.spec)])
        self.shown: dict[str, Any] = {}

    def open(self, epoch: int) -> RingWriter:
        kind = fast.FastRingWriter if self.compiled else RingWriter
        return kind(self.port, self.board, epoch)

    def reader(self, edge: int, resume: bool = False) -> RingReader:
        # A reader that blocks gives up at once here: there is but one thread, so that nobody could make room.
        options = EdgeOptions(edge, cast(Any, POLICIES[edge]), 1e-6)
        kind = fast.FastRingReader if self.compiled else RingReader
        return kind(self.port, options, self.board, resume=resume)

    def feed(self, edge: int) -> Feed:
        access = ACCESSES[edge]
        definition = InputDef(stream="s", policy=cast(Any, POLICIES[edge]), access=cast(Any, access))
        setup = InputSetup(self.port, self.readers[edge].edge, definition, None, self.spec)
        given = self.readers[edge], self.board.edge(edge)
        if self.compiled:
            buffer = FastView(self.spec, WINDOW) if access == "view" else FastWindow(self.spec, WINDOW)
            feed = open_feed(setup, given[0], FastPort(f"s{edge}", buffer, LAYOUTS[edge]), given[1])
            assert isinstance(feed, compiled_loop.FastFeed)
            return feed
        window = ShownWindow(self.spec, WINDOW) if access == "view" else InputBuffer(self.spec, WINDOW)
        return Feed(setup, given[0], InputPort(f"s{edge}", window, LAYOUTS[edge]), given[1])

    def send(self, value: Any, now: float, origin: float) -> None:
        """As a node's loop publishes."""
        self.outputs["x"] = value
        senders = plain_senders(self.outputs, [self.writer]) if self.compiled else None
        send = open_send(self.outputs, senders)
        assert (send is not None) == self.compiled
        if send is not None and send(now, origin) < SOME_LEFT:
            return
        for _, data, at in self.outputs.collect(now, lambda refusal: None):
            self.writer.publish(data, at, origin)

    def memory(self) -> list[Any]:
        """All that anybody else can see, but for times of the machine's own clock."""
        segment = self.writer._segment
        words = segment.words.tolist()
        words[Word.READERS] = 0
        records = bytearray(segment.records)
        for start in range(0, len(records), RECORD_BYTES):
            records[start + 16 : start + 24] = bytes(8)  # when it was published
        edges = [self.board.edge(edge).ints.tolist() for edge in range(len(POLICIES))]
        for edge in edges:
            edge[EdgeColumn.AWAY_NS] = bool(edge[EdgeColumn.AWAY_NS])
        stream = self.board.stream(0).ints.tolist()
        stream[5] = 0  # BLOCKED_NS
        return [words, bytes(records), segment.data.tobytes(), segment.stamps.tobytes(), edges, stream]

    def windows(self) -> list[Any]:
        found = []
        for feed in self.feeds:
            buffer = feed.port.buffer
            new = buffer.new if isinstance(buffer, InputBuffer) else ()
            seen = [part.tobytes() for part in (buffer.data, buffer.timestamps, *new)]
            found.append((seen, buffer.new_count, len(buffer), feed.newest_timestamp))
        return found

    def close(self) -> None:
        for reader in self.readers:
            reader.close()
        self.writer.close()
        remove_stream(self.port)
        self.board.close()


edges = st.integers(0, len(POLICIES) - 1)
counts = st.integers(0, 5)


class KernelMachine(RuleBasedStateMachine):
    """Two worlds, to which the same happens."""

    @initialize(rate=st.sampled_from([1000.0, 3.0]))
    def begin(self, rate: float) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.worlds = [World(Path(self.folder.name), name, rate) for name in ("python", "compiled")]
        self.now, self.epoch, self.produced = 100.0, 0, 0

    @rule(count=counts, origin=st.sampled_from([math.nan, 0.5, 1e6]))
    def publish(self, count: int, origin: float) -> None:
        chunk = numbered(self.produced, count, CHANNELS), stamps(self.produced, count)
        firsts = {world.writer.publish(*chunk, origin) for world in self.worlds}
        assert firsts == {self.produced}
        self.produced += count

    @rule(count=counts, later=st.sampled_from([0.0, 0.001, 0.2]), shape=st.sampled_from(["C", "F", "f4", "list"]))
    def send(self, count: int, later: float, shape: str) -> None:
        self.now += later
        value: Any = numbered(self.produced, count, CHANNELS)
        value = {"C": value, "F": np.asfortranarray(value), "f4": value.astype("f4"), "list": value.tolist()}[shape]
        for world in self.worlds:
            world.send(value, self.now, 0.25)
            assert world.outputs == {"x": None}
        assert self.worlds[0].outputs.reanchored == self.worlds[1].outputs.reanchored
        self.produced += count

    @rule(edge=edges)
    def take(self, edge: int) -> None:
        origins = []
        for world in self.worlds:
            world.feeds[edge].take()
            origins.append(world.feeds[edge].origin())  # now: who looks later finds that the chunk was forgotten
        assert origins[0] == origins[1]

    @rule(edge=edges, during=counts, gives=st.sampled_from([None, None, 0, 1, "all"]))
    def loop(self, edge: int, during: int, gives: Any) -> None:
        """As a node's, in which `during` samples come, and whose script puts something in the place of its inputs."""
        name = f"s{edge}"
        shown, after = [], []
        for world in self.worlds:
            feed = world.feeds[edge]
            feed.take()
            with warnings.catch_warnings():  # views cannot be replaced, which a script is told
                warnings.simplefilter("ignore")
                feed.port.begin_loop(world.shown)
            pair = world.shown.get(name, [])
            new = feed.port.new if pair else ()
            shown.append([(part.shape, part.flags.writeable, part.tobytes()) for part in (*pair, *new)])
            if gives == "all":
                world.shown.pop(name, None)
            elif gives is not None and pair:
                pair[gives] = pair[gives] + 1
        assert shown[0] == shown[1]
        self.publish(during, math.nan)
        for world in self.worlds:
            feed = world.feeds[edge]
            after.append((feed.overtaken(), feed.origin()))
            feed.settle()
            feed.port.prepare()
        assert after[0] == after[1]

    @rule(edge=edges, count=counts, undo=st.booleans(), shape=st.sampled_from(["C", "F", "f4"]))
    def append(self, edge: int, count: int, undo: bool, shape: str) -> None:
        """As what waits is taken where it is looked at more closely."""
        value = numbered(1000, count, CHANNELS)
        value = {"C": value, "F": np.asfortranarray(value), "f4": value.astype("f4")}[shape]
        evicted = set()
        for world in self.worlds:
            buffer = world.feeds[edge]._buffer
            if buffer is None:
                return
            evicted.add(buffer.append(value, stamps(1000, count)))
            if undo and count:
                buffer.retract(count)
        assert len(evicted) == 1

    @rule(edge=edges, limit=counts)
    def take_some(self, edge: int, limit: int) -> None:
        for world in self.worlds:
            world.feeds[edge].take(limit)

    @rule(edge=edges, limit=counts, between=counts)
    def commit(self, edge: int, limit: int, between: int) -> None:
        """Of what the writer may have overtaken since it was looked at."""
        counts = [min(world.readers[edge].pending(), limit) for world in self.worlds]
        assert counts[0] == counts[1]
        self.publish(between, math.nan)
        assert len({world.readers[edge].commit(counts[0]) for world in self.worlds}) == 1
        for world in self.worlds:
            with pytest.raises(UsageError):
                world.readers[edge].commit(CAPACITY + 1)

    @rule(edge=edges)
    def look(self, edge: int) -> None:
        assert len({world.readers[edge].pending() for world in self.worlds}) == 1
        assert len({world.readers[edge].position for world in self.worlds}) == 1

    @rule(edge=edges, count=counts)
    def skip(self, edge: int, count: int) -> None:
        for world in self.worlds:
            world.readers[edge].skip(min(count, world.readers[edge].pending()))

    @rule(edge=edges, count=counts)
    def clear(self, edge: int, count: int) -> None:
        for world in self.worlds:
            world.feeds[edge].port.cut(world.shown, index=count)

    @rule(edge=edges, resume=st.booleans())
    def restart_reader(self, edge: int, resume: bool) -> None:
        for world in self.worlds:
            world.readers[edge].close()
            world.readers[edge] = world.reader(edge, resume)
            world.feeds[edge] = world.feed(edge)
            world.shown.pop(f"s{edge}", None)
            if resume:
                world.feeds[edge].go_on()

    @rule(orderly=st.booleans())
    def restart_writer(self, orderly: bool) -> None:
        self.epoch += 1
        for world in self.worlds:
            before = world.writer
            if orderly:
                before.close()
            world.writer = world.open(self.epoch)
            with pytest.raises(UsageError if orderly else Fenced):
                before.publish(numbered(0, 1, CHANNELS), stamps(0, 1))

    @rule(count=counts)
    def lose(self, count: int) -> None:
        """As a link does that lost something for good."""
        for world in self.worlds:
            world.writer.skip(count)
        self.produced += count

    @rule(count=counts)
    def would_block(self, count: int) -> None:
        assert len({world.writer.would_block(count) for world in self.worlds}) == 1

    @invariant()
    def same(self) -> None:
        if hasattr(self, "worlds"):
            one, other = self.worlds
            assert one.memory() == other.memory()
            np.testing.assert_equal(one.windows(), other.windows())
            assert one.writer.sequence == other.writer.sequence == self.produced

    def teardown(self) -> None:
        if hasattr(self, "worlds"):
            for world in self.worlds:
                world.close()
            self.folder.cleanup()


TestKernel = compiled(KernelMachine.TestCase)
TestKernel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


durations = st.integers(0, 10**12)
times = st.floats(-10, 1e5)


@compiled
@given(st.lists(st.tuples(times, durations, durations, durations, times | st.just(math.nan), times, times)))
def test_loops_are_counted_alike(loops: list[tuple[float, int, int, int, float, float, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        board = Board.create(Path(folder, "board"), streams=0, edges=0, nodes=2)
        tallies = Tally(board.node(0)), open_tally(board.node(1))
        for now, started, took, out, late, newest, made_of in loops:
            for tally in tallies:
                for seen in (newest, -math.inf):
                    tally.count(now, started, took, out, late, seen, made_of, 4e9)
                tally.count(now, started, took, out, late, newest, math.nan, math.inf)
        assert board.node(0).ints.tolist() == board.node(1).ints.tolist()
        board.close()


@compiled
@given(st.data())
def test_commits_are_alike(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        boards = [Board.create(Path(folder, name), streams=2, edges=2, nodes=1) for name in ("python", "compiled")]
        commits = []
        for board, kind in zip(boards, (Commit, fast.FastCommit), strict=True):
            rows = [board.edge(0), board.edge(1)], [board.stream(0), board.stream(1)]
            commits.append(kind(board.node(0), *rows))
        for _ in range(data.draw(st.integers(0, 5))):
            numbers = data.draw(st.lists(st.integers(0, 2**64 - 1), min_size=17, max_size=17))
            forget = data.draw(st.booleans())
            for board, commit in zip(boards, commits, strict=True):
                for k, number in enumerate(numbers):
                    board.edge(k % 2).ints[k] = number
                    board.stream(k % 2).ints[k % 2] = number
                board.node(0).ints[30] = numbers[0]
                if forget:
                    commit.forget_state()
                commit.commit()
        one, other = boards
        assert bytes(one._mapping) == bytes(other._mapping)
        for board in boards:
            board.close()


@compiled
def test_what_is_taken_while_the_writer_laps_is_whole(ring_stage: Stage) -> None:
    stage = ring_stage
    spec = StreamSpec("s", CHANNELS, "float64", 1000.0)
    port = stage.port(spec, 64)
    reader = stage.reader(port, 0)
    buffer = FastWindow(spec, 48)
    setup = InputSetup(port, reader.edge, InputDef(stream="s"), None, spec)
    feed = open_feed(setup, reader, FastPort("s", buffer), stage.board.edge(0))
    assert isinstance(feed, compiled_loop.FastFeed)
    victor = stage.peer("lap", port, size=7).ready()
    victor.go()
    for _ in range(3000):
        feed.take()
        buffer.mark()
        first = reader.position - len(buffer)
        data, at = buffer.data, buffer.timestamps
        assert (data == data[:, :1]).all()
        if len(at):
            np.testing.assert_array_equal(np.round(at * 1000), data[:, 0])
            assert data[-1, 0] == reader.position - 1
            assert first <= data[0, 0]
    victor.process.terminate()
    produced = victor.report()["produced"]
    feed.take()
    assert stage.balanced()
    assert 0 < reader.position <= produced


@compiled
def test_what_is_not_the_ordinary_case_is_left_to_python(ring_stage: Stage) -> None:
    port = ring_stage.port(StreamSpec("s", 4, "float32", 1000.0), 64)
    writer = ring_stage.writer(port)
    plain = numbered(0, 3, 4, "float32")
    with pytest.raises(UsageError, match="takes data of shape"):
        writer.publish(plain.astype("f8"), stamps(0, 3))
    with pytest.raises(UsageError, match="takes data of shape"):
        writer.publish(plain, stamps(0, 2))
    with pytest.raises(UsageError, match="takes data of shape"):
        writer.publish(plain.T, stamps(0, 4))
    assert writer.publish(plain[::2], stamps(0, 2)) == 0
    assert writer.publish(data=plain, timestamps=stamps(2, 3)) == 2
    assert writer.publish(np.repeat(plain, 30, axis=0), stamps(5, 90), 1.0) == 5
    assert writer.publish(plain[:0], stamps(0, 0)) == 95
    reader = ring_stage.reader(port, 0, start=0)
    assert reader.pending() + sum(ring_stage.dropped().values()) == 95
    writer.close()
    with pytest.raises(UsageError, match="closed"):
        writer.publish(plain, stamps(0, 3))


@compiled
def test_a_writer_killed_in_the_middle_of_a_compiled_copy_leaves_whole_samples_only(ring_stage: Stage) -> None:
    port = ring_stage.port(StreamSpec("s", CHANNELS, "float64", 1000.0), 64)
    reader = ring_stage.reader(port, 0)
    victim = ring_stage.peer("fault", port, count=60, size=24).ready()
    assert victim.process.wait(LIMIT) < 0
    # Where the twenty oldest lie the copy may have begun.
    assert reader.pending() == 40 - 5
    assert ring_stage.dropped() == {"overrun": 20 + 5}
    np.testing.assert_array_equal(reader.peek()[0], numbered(25, 35, CHANNELS))
    successor = ring_stage.writer(port, epoch=1)
    assert successor.publish(numbered(60, 4, CHANNELS), stamps(60, 4)) == 60
    assert reader.commit(35)
    assert reader.pending() == 4
    assert ring_stage.balanced()


@compiled
def test_a_wait_is_called_as_the_python_one_is(ring_stage: Stage) -> None:
    port = ring_stage.port()
    waiter = open_waiter("ring", [ring_stage.reader(port, 0)])
    assert isinstance(waiter, fast.FastRingWaiter)
    waiter.wait(None, True)  # the first wait for data returns at once
    waiter.wait(0.0, on_data=True)
    waiter.wait(deadline=0.0, on_data=False)
    with pytest.raises(TypeError):
        waiter.wait(0.0)  # type: ignore[call-arg]
    waiter.doorbell.ring()
    waiter.wait(on_data=False, deadline=None)
    waiter.close()
