"""What a node's next life finds: its windows, its place in each stream, its state; and what was refused of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rena_graph.errors import OutputRefused, StateRefused
from rena_graph.runtime.node.loop import NodeLoop, release_edges
from rena_graph.runtime.node.parts import NodeParts
from rena_graph.script import RenaScript
from rena_graph.transport.board import EdgeColumn, NodeColumn, StreamColumn
from rena_graph.transport.edge_reader import DROP_COLUMNS
from tests.runtime.lives import RATE, Lives


class Watcher(RenaScript):
    """Notes what it sees, and does to its window what it is told."""

    def init(self) -> None:
        self.seen: list[list[float]] = []
        self.new: list[list[float]] = []

    def loop(self) -> None:
        self.seen.append(self.inputs["In"][0][:, 0].tolist() if "In" in self.inputs else [-1.0])
        self.new.append(self.inputs.new("In")[0][:, 0].tolist())


class Clearing(Watcher):
    def loop(self) -> None:
        super().loop()
        self.inputs.clear_stream_buffer_data("In")


class Keeping(Watcher):
    """Keeps the number of its loops, in whatever the test puts around it."""

    wraps: Any = staticmethod(lambda count: count)

    def init(self) -> None:
        super().init()
        self.count = 0
        self.told: list[Any] = []

    def loop(self) -> None:
        super().loop()
        self.count += 1

    def save_state(self) -> Any:
        return self.wraps(self.count)

    def load_state(self, state: Any) -> None:
        self.told.append(state)
        self.count = state


class Life:
    def __init__(self, lives: Lives, script: type[RenaScript]) -> None:
        self.refused: list[Exception] = []
        self.left_out: list[str] = []
        self.parts: NodeParts = lives.here(script, self.refused.append)
        self.script: Any = self.parts.script
        self.script.init()
        if self.parts.kept is not None:
            self.parts.kept.load()
        self.loop: NodeLoop = self.parts.loop(self, lambda: None)

    def loop_failed(self, error: BaseException, loops: int) -> bool:
        raise error

    def output_refused(self, error: OutputRefused) -> None:
        raise error

    def not_finite(self, text: str, *, fails: bool) -> None:
        self.left_out.append(text)

    def step(self) -> list[float]:
        """One loop; what it saw."""
        clock = self.parts._clock
        self.loop._one_loop(clock.now(), clock.now_ns())
        seen: list[float] = self.script.seen[-1]
        return seen


@contextmanager
def life(lives: Lives, script: type[RenaScript] = Watcher) -> Iterator[Life]:
    """One life; at its end it lets go, but commits nothing more than its loops did."""
    made = Life(lives, script)
    try:
        yield made
    finally:
        release_edges(made.parts.feeds)
        made.parts.close()


def span(first: int, end: int) -> list[float]:
    return list(map(float, range(first, end)))


def dropped(lives: Lives) -> dict[str, int]:
    found = {reason: int(lives.edge[column]) for reason, column in DROP_COLUMNS.items()}
    return {reason: count for reason, count in found.items() if count}


@pytest.mark.parametrize("access", ["copy", "view"])
def test_the_window_is_back_and_nothing_in_it_is_new(access: str, tmp_path: Path) -> None:
    with Lives(tmp_path, inputs=[{"stream": "In", "access": access}]) as lives:
        with life(lives) as first:
            lives.feed(350)
            first.step()
            lives.feed(50)
            first.step()
        with life(lives) as second:
            assert second.script.inputs["In"][0][:, 0].tolist() == span(200, 400)
            assert second.step() == span(200, 400)
            assert second.script.new == [[]]
            lives.feed(30)
            assert second.step() == span(230, 430)
            assert second.script.new[-1] == span(400, 430)
            assert lives.edge[EdgeColumn.REPEATED] == 0


@pytest.mark.parametrize("access", ["copy", "view"])
def test_what_was_cleared_stays_cleared(access: str, tmp_path: Path) -> None:
    with Lives(tmp_path, inputs=[{"stream": "In", "access": access}]) as lives:
        with life(lives, Clearing) as first:
            lives.feed(100)
            assert first.step() == span(0, 100)
        with life(lives, Clearing) as second:
            assert second.step() == [], "it was shown an empty one, and is again"
            lives.feed(20)
            assert second.step() == span(100, 120)


def test_a_stream_that_was_not_shown_is_not(tmp_path: Path) -> None:
    with Lives(tmp_path) as lives:
        with life(lives) as first:
            assert first.step() == [-1.0]
        with life(lives) as second:
            assert second.step() == [-1.0]


@pytest.mark.parametrize("access", ["copy", "view"])
def test_what_came_meanwhile_comes_a_window_at_a_time(access: str, tmp_path: Path) -> None:
    with Lives(tmp_path, inputs=[{"stream": "In", "access": access}]) as lives:
        with life(lives) as first:
            lives.feed(10)
            first.step()
        lives.feed(690)
        with life(lives) as second:
            for _ in range(4):
                second.step()
            assert [len(new) for new in second.script.new] == [200, 200, 200, 90]
            assert list(chain(*second.script.new)) == span(10, 700)
            assert not dropped(lives)
            lives.feed(300)
            second.step()
            assert dropped(lives) == {"window": 100}, "it has caught up: the window's own rule holds again"


def test_what_came_meanwhile_of_an_irregular_stream_comes_by_its_time(tmp_path: Path) -> None:
    with Lives(tmp_path, irregular=True, buffer_duration=0.05) as lives:
        with life(lives) as first:
            lives.feed(10)
            first.step()
        lives.feed(190)
        with life(lives) as second:
            while lives.edge[EdgeColumn.POSITION] < lives.fed:
                second.step()
            assert list(chain(*second.script.new)) == span(10, 200)
            assert not dropped(lives)


def test_markers_are_back_too(tmp_path: Path) -> None:
    with Lives(tmp_path, irregular=True, dtype="string", buffer_duration=0.05) as lives:
        with life(lives) as first:
            lives.feed(30)
            first.step()
        lives.feed(100)
        with life(lives) as second:
            assert second.script.inputs["In"][0][:, 0].tolist() == [str(i) for i in range(30)]
            while lives.edge[EdgeColumn.POSITION] < lives.fed:
                second.step()
            assert list(chain(*second.script.new)) == [str(i) for i in range(30, 130)]
            assert not dropped(lives)


def test_beyond_the_retention_there_is_a_counted_gap_and_no_window(tmp_path: Path) -> None:
    with Lives(tmp_path) as lives:
        with life(lives) as first:
            lives.feed(100)
            first.step()
        for _ in range(30):
            lives.feed(500)
        with life(lives) as second:
            lost = int(lives.edge[EdgeColumn.DROPPED_RESTART])
            assert lost > 15_100 - 11_000
            assert second.step() == span(100 + lost, 300 + lost)
            assert dropped(lives) == {"restart": lost}


def test_what_passes_while_init_takes_its_time_is_the_restarts_too(tmp_path: Path) -> None:
    with Lives(tmp_path) as lives:
        with life(lives) as first:
            lives.feed(100)
            first.step()
        with life(lives) as second:
            for _ in range(30):
                lives.feed(500)
            second.step()
            assert set(dropped(lives)) == {"restart"}


def test_a_gap_across_a_restart_is_filled(tmp_path: Path) -> None:
    with Lives(tmp_path, inputs=[{"stream": "In", "gaps": "nan"}]) as lives:
        with life(lives) as first:
            lives.feed(10)
            first.step()
        lives.fed += 5
        lives.feed(5)
        with life(lives) as second:
            seen = np.array(second.step())
            assert np.isnan(seen).tolist() == [False] * 10 + [True] * 5 + [False] * 5
            assert lives.edge[EdgeColumn.FILLED] == 5


def test_default_timestamps_never_run_backwards_over_a_restart(tmp_path: Path) -> None:
    class Fast(RenaScript):
        def loop(self) -> None:
            self.outputs["Out"] = np.zeros((500, 3))  # half a second at once: ahead of the clock

    with Lives(tmp_path, inputs=[], trigger="clock") as lives:
        stamps: list[float] = []
        for _ in range(3):
            made = Life.__new__(Life)
            made.parts = lives.here(Fast)
            made.parts.script.init()
            loop = made.parts.loop(made, lambda: None)
            loop.publish()
            made.parts.script.loop()
            loop.publish()
            made.parts.close()
            lives.reader.pending()
            _, times = lives.reader.peek()
            stamps += times.tolist()
            assert lives.reader.commit(len(times))
        assert np.all(np.diff(stamps) > 0)
        assert np.allclose(np.diff(stamps), 1 / RATE)


def test_what_was_sent_after_the_last_commit_is_counted_once_however_often_it_dies(tmp_path: Path) -> None:
    with Lives(tmp_path) as lives:
        with life(lives) as first:
            first.script.set_output("Out", np.zeros((4, 3)))
            first.loop.publish()  # and killed before it was committed
        for _ in range(3):
            with life(lives):
                assert lives.out[StreamColumn.REPEATED] == 4


# -- state -------------------------------------------------------------------------------------------
def test_the_state_is_given_to_the_next_life_after_init(tmp_path: Path) -> None:
    with Lives(tmp_path) as lives:
        with life(lives, Keeping) as first:
            assert first.script.told == []
            for _ in range(3):
                first.step()
        with life(lives, Keeping) as second:
            assert second.script.told == [3]
            second.step()
        with life(lives, Keeping) as third:
            assert third.script.told == [4]


def test_a_script_without_the_methods_forgets_what_one_before_it_saved(tmp_path: Path) -> None:
    with Lives(tmp_path) as lives:
        with life(lives, Keeping) as first:
            first.step()
        with life(lives, Watcher) as second:
            second.step()
        with life(lives, Keeping) as third:
            assert third.script.told == []


@pytest.mark.parametrize("bad", [object(), ValueError("no"), b"x" * (65 << 20)], ids=["type", "raises", "large"])
def test_a_state_that_is_refused_leaves_the_last_good_one_and_its_place(
    bad: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wraps(count: int) -> Any:
        if count == 2 and isinstance(bad, Exception):
            raise bad
        return bad if count == 2 else count

    monkeypatch.setattr(Keeping, "wraps", staticmethod(wraps))
    with Lives(tmp_path) as lives:
        with life(lives, Keeping) as first:
            lives.feed(10)
            first.step()
            lives.feed(10)
            first.step()
            assert first.script.new[-1] == span(10, 20)
            assert len(first.refused) == lives.node[NodeColumn.STATES_REFUSED] == 1
        with life(lives, Keeping) as second:
            assert second.script.told == [1]
            assert second.step() == span(0, 20)
            assert second.script.new[-1] == span(10, 20)
            assert lives.edge[EdgeColumn.REPEATED] == 10


def test_a_refused_state_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keeping, "wraps", staticmethod(lambda count: {"filters": [object()]}))
    with Lives(tmp_path) as lives, life(lives, Keeping) as first:
        first.step()
        assert isinstance(first.refused[0], StateRefused)
        assert "state['filters'][0] is of type object" in str(first.refused[0])


def test_between_two_saves_the_place_is_not_committed_either(tmp_path: Path) -> None:
    with Lives(tmp_path, save_state_every=3600) as lives:
        with life(lives, Keeping) as first:
            for _ in range(3):
                lives.feed(10)
                first.step()
        with life(lives, Keeping) as second:
            assert second.script.told == [1]
            assert second.step() == span(0, 30)
            assert second.script.new[-1] == span(10, 30)
            second.parts.commit_last()  # as a stop in good order does
        with life(lives, Keeping) as third:
            assert third.script.told == [2]
            assert third.step() == span(0, 30)
            assert third.script.new[-1] == []


def test_a_state_that_cannot_be_read_is_an_error_not_a_fresh_start(tmp_path: Path) -> None:
    with Lives(tmp_path) as lives:
        with life(lives, Keeping) as first:
            first.step()
        path = Path(f"{lives.plan.paths.state(0)}-{lives.node[NodeColumn.STATE_FILE]}")
        path.write_bytes(b"\xc1" * 100)
        with pytest.raises(StateRefused, match="does not decode"), life(lives, Keeping):
            pass
