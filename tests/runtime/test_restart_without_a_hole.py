"""A node that is killed at any moment goes on as if nothing had happened: its output is that of one that never died."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rena_graph.transport.board import EdgeColumn, NodeColumn, StreamColumn
from rena_graph.transport.edge_reader import DROP_COLUMNS
from tests.runtime.lives import Lives

EVERY = 7
TRIGGERS: dict[str, dict[str, Any]] = {
    "data": {},
    "clock": {"trigger": "clock", "run_frequency": 200},
    "every": {
        "trigger": {"stream": "In", "every": EVERY},
        "run_frequency": None,
        "params": {"every": EVERY},
    },
}


def expected(count: int) -> NDArray[np.float64]:
    """What a node that never dies makes of the first `count` samples."""
    out = np.empty((count, 3))
    total = filtered = 0.0
    for i in range(count):
        total += i
        filtered = 0.9 * filtered + i
        out[i] = i, total, filtered
    return out


def without_repeats(sent: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """What was sent with each sample once, and how many were sent again; those must be the same ones."""
    kept: list[NDArray[np.float64]] = []
    again = 0
    for row in sent:
        index = int(row[0])
        if index < len(kept):
            again += len(kept) - index
            for before, now in zip(kept[index:], [row], strict=False):
                assert np.array_equal(before, now), "made again, and differently"
            del kept[index:]
        assert index == len(kept), f"sample {index} came where {len(kept)} was due"
        kept.append(row)
    return np.array(kept).reshape(-1, 3), again


def expected_of_two(count: int) -> NDArray[np.float64]:
    """The same of the script that sums two streams by blocks of the first."""
    index = np.arange(count, dtype=np.float64)
    ends = index - index % EVERY + EVERY - 1
    sums = np.cumsum(index)[ends.astype(int)]
    of_even = np.cumsum(np.where(index % 2 == 0, index, 0.0))[ends.astype(int)]
    return np.stack([index, sums, of_even], axis=1)


def kill_and_look(
    lives: Lives, random_: random.Random, kills: int, wanted: Callable[[int], NDArray[np.float64]] = expected
) -> None:
    """Kill a node again and again while data flows, then compare all that it sent."""
    lives.begin()
    lives.until(lambda: lives.commits, "the first life")  # what comes before it is not its own
    for _ in range(kills):
        commits, until = lives.commits, random_.randrange(1, 12)
        # Some die before their first loop.
        patience = 0 if random_.random() < 0.15 else until
        while lives.commits < commits + patience:
            lives.feed(random_.randrange(1, 40))
            # Never more than it can bear: a window passes over what does not fit into it.
            slack = random_.randrange(EVERY, 80)
            lives.until(lambda slack=slack: lives.edge[EdgeColumn.POSITION] > lives.fed - slack, "a loop")  # type: ignore[misc]
        lives.feed(random_.randrange(1, 40))
        for _ in range(random_.randrange(300)):  # somewhere in the middle of what it does next
            pass
        lives.kill()
        lives.feed(random_.randrange(1, 300))  # more than a window, now and then
        lives.begin()
    lives.feed(-lives.fed % EVERY)
    lives.until(lambda: lives.sent()[-1:, 0].tolist() == [lives.fed - 1], "the last sample")
    data, again = without_repeats(lives.sent())
    assert np.array_equal(data, wanted(lives.fed))
    assert again == lives.out[StreamColumn.REPEATED]
    assert lives.node[NodeColumn.EXCEPTIONS] == 0, "a window that was not whole"
    assert not any(lives.edge[column] for column in DROP_COLUMNS.values())
    handed = lives.edge[EdgeColumn.DELIVERED] - lives.edge[EdgeColumn.REPEATED]
    assert handed == lives.fed == lives.edge[EdgeColumn.POSITION]
    assert lives.edge[EdgeColumn.REPEATED] >= again


@pytest.mark.parametrize("every", [0.0, 0.02])
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_the_output_of_a_node_killed_at_random_is_that_of_one_never_killed(
    trigger: str, every: float, tmp_path: Path
) -> None:
    with Lives(tmp_path, save_state_every=every, **TRIGGERS[trigger]) as lives:
        kill_and_look(lives, random.Random(f"{trigger}{every}"), 6)


@pytest.mark.parametrize("every", [0.0, 0.02])
def test_the_places_in_two_inputs_go_together(every: float, tmp_path: Path) -> None:
    # Where a block ends with a sample that the second stream has not, nothing comes that would say it is complete.
    trigger = {"stream": "In", "every": EVERY, "wait": 0.5}
    with Lives(
        tmp_path, "keeps_two.py", aux=True, save_state_every=every, trigger=trigger, run_frequency=None
    ) as lives:
        kill_and_look(lives, random.Random(f"two {every}"), 6, expected_of_two)


@pytest.mark.faults
@pytest.mark.parametrize("every", [0.0, 0.02])
@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.timeout(600)
def test_a_hundred_kills_leave_no_trace_in_the_output(trigger: str, every: float, tmp_path: Path) -> None:
    with Lives(tmp_path, save_state_every=every, **TRIGGERS[trigger]) as lives:
        kill_and_look(lives, random.Random(f"many {trigger}{every}"), 100)
