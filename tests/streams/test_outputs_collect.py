"""Outputs: what a loop leaves in it, and what is taken out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.errors import OutputRefused
from rena_graph.streams.outputs import OutputPort, Outputs
from rena_graph.streams.spec import StreamSpec


def outputs() -> Outputs:
    ports = [OutputPort("psd", StreamSpec("eeg-psd", 2, "float32", 10.0)), OutputPort("beat", StreamSpec("beat", 1))]
    return Outputs(ports, node="filter")


def collect(made: Outputs, now: float = 100.0) -> tuple[dict[int, Any], list[str]]:
    refused: list[OutputRefused] = []
    chunks = made.collect(now, refused.append)
    return {index: (data, stamps) for index, data, stamps in chunks}, [str(r) for r in refused]


def test_nothing_is_sent_unless_something_is_assigned() -> None:
    made = outputs()
    assert made == {"psd": None, "beat": None}
    assert collect(made) == ({}, [])


def test_what_was_sent_is_gone() -> None:
    made = outputs()
    made["psd"] = [1, 2]
    chunks, _ = collect(made)
    assert chunks[0][0].tolist() == [[1, 2]]
    assert chunks[0][1].tolist() == [100.0]
    assert made == {"psd": None, "beat": None}
    assert collect(made) == ({}, [])


def test_a_bad_output_is_named_and_the_others_are_sent() -> None:
    made = outputs()
    made["psd"], made["beat"] = [1, 2, 3], 5
    chunks, refused = collect(made)
    assert list(chunks) == [1]
    assert len(refused) == 1
    assert refused[0].startswith("node 'filter', output 'psd' (stream 'eeg-psd'): expected 2 channels of float32")
    assert made == {"psd": None, "beat": None}


def test_unknown_names_are_refused_and_forgotten() -> None:
    made = outputs()
    made["pds"], made["something"], made["beat"] = 1, 1, 1
    chunks, refused = collect(made)
    assert list(chunks) == [1]
    assert refused == [
        "node 'filter', output 'pds': the node has no such output; did you mean 'psd'?",
        "node 'filter', output 'something': the node has no such output; its outputs are 'psd', 'beat'; "
        "add it to the node in the graph",
    ]
    assert collect(made) == ({}, [])
    assert list(made) == ["psd", "beat"]


MISHAPS: list[Callable[[Outputs], object]] = [
    lambda made: made.pop("psd"),
    lambda made: made.clear(),
    lambda made: made.update({"x": None}),
    lambda made: made.update({"x": made.pop("psd")}),
]


@pytest.mark.parametrize("mishap", MISHAPS)
def test_every_loop_starts_with_all_outputs(mishap: Callable[[Outputs], object]) -> None:
    made = outputs()
    mishap(made)
    assert collect(made) == ({}, [])
    assert made == {"psd": None, "beat": None}


@pytest.mark.parametrize(("name", "empty"), [("psd", np.zeros((0, 2))), ("beat", [])])
def test_no_samples_send_nothing_and_are_no_error(name: str, empty: object) -> None:
    made = outputs()
    made[name] = empty
    assert collect(made) == ({}, [])


def test_timestamps_of_the_scripts_own() -> None:
    made = outputs()
    made.set("psd", [[1, 2], [3, 4]], timestamp=[5.0, 6.0])
    assert collect(made)[0][0][1].tolist() == [5, 6]
    made.set("psd", [[1, 2], [3, 4]], timestamp=8.0)
    np.testing.assert_allclose(collect(made)[0][0][1], [7.9, 8.0])
    made.set("psd", None, timestamp=8.0)
    assert collect(made) == ({}, [])


def test_wrong_timestamps_send_nothing() -> None:
    made = outputs()
    made.set("psd", [[1, 2], [3, 4]], timestamp=[5.0])
    chunks, refused = collect(made)
    assert chunks == {}
    assert "node 'filter', output 'psd' (stream 'eeg-psd'): expected one timestamp, or one for each" in refused[0]


def test_default_stamps_go_on_from_the_scripts_own() -> None:
    made = outputs()
    made.set("psd", [1, 2], timestamp=99.95)
    collect(made)
    made["psd"] = [1, 2]
    assert collect(made, now=100.0)[0][0][1].tolist() == [pytest.approx(100.05)]


def test_stamps_moved_forward_are_counted() -> None:
    made = outputs()
    for now in (100.0, 100.1, 103.0):
        made["psd"] = [1, 2]
        collect(made, now)
    assert made.reanchored == 1


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 1)), max_size=30))
def test_stamps_of_all_chunks_together_only_grow(chunks: list[tuple[int, float]]) -> None:
    made = outputs()
    now, last = 0.0, -np.inf
    for count, step in chunks:
        now += step
        made["psd"] = np.zeros((count, 2))
        made["beat"] = np.zeros(count)
        stamps = collect(made, now)[0][0][1]
        assert (np.diff([last, *stamps]) > 0).all()
        last = stamps[-1]
