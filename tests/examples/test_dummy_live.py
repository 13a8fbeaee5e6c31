"""The documentation's own example, live: an outlet, the graph and a client, each in processes of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.live.launching import example, launched, only_drops, unique
from tests.live.processes import LslClient, Program
from tests.runtime.live import balanced, finish, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.lsl]

CHANNELS = 8
RATE = 250.0
STREAM, OUTPUT = "Dummy-8Chan", "Dummy-8Chan-add-X"


def named(file: str) -> tuple[dict[str, Any], str, str]:
    """The example with LSL names of its own: the document, the outlet's name, the name of what the graph sends."""
    document = example(file)
    lsl = document["streams"][STREAM]["from"]["lsl"]
    lsl["name"] = unique(STREAM)
    return document, lsl["name"], document["nodes"]["add_x"]["outputs"][OUTPUT]["to"]["lsl"]["name"]


def samples(count: int) -> NDArray[np.float32]:
    """What the outlet sends: the index, and a sine of k Hz in channel k."""
    index = np.arange(count)
    data = np.stack([np.sin(2 * np.pi * k * index / RATE) for k in range(CHANNELS)], axis=1)
    data[:, 0] = index
    return data.astype(np.float32)


@pytest.mark.parametrize("seconds", [4, pytest.param(30, marks=pytest.mark.long)])
def test_input_plus_x_arrives_sample_for_sample(seconds: int, ray_address: str, graphs: Path, tmp_path: Path) -> None:
    total = int(seconds * RATE)
    document, source, result = named("dummy/dummy_8chan.json")
    with (
        launched(document, ray_address, graphs / "dummy") as run,
        LslClient(f"name='{result}'", tmp_path / "out.npz", mark=total // 4, count=total) as client,
    ):
        (found,) = client.connected()
        assert (found["channels"], found["rate"], found["type"]) == (CHANNELS, RATE, "EEG")
        wait_until(lambda: run.status()["streams"][STREAM]["source_state"] == "waiting")
        with Program(graphs / "dummy/outlet.py", "--name", source, "--seconds", str(seconds), "--wait"):
            client.marked()
            run.params["add_x"]["x"] = 5
            (received,) = client.received()
        run.stop()
        status = finish(run)
    balanced(status)
    only_drops(status)
    stream = status["streams"][STREAM]
    assert (stream["produced"], stream["gaps"], stream["lost"], stream["backwards"]) == (total, 0, 0, 0)
    check_values(received.data, total)
    check_default_stamps(received.stamps, status["streams"][OUTPUT]["reanchored"])


def check_values(data: NDArray[Any], total: int) -> None:
    """Every sample once, in order, plus an x that changed once, after the client had seen a quarter of them."""
    assert data.shape == (total, CHANNELS)
    added = data[:, 0] - np.arange(total)
    switch = int(np.count_nonzero(added == 0))
    assert total // 4 <= switch < total
    x = np.where(np.arange(total) < switch, 0, 5).astype(np.float32)[:, np.newaxis]
    np.testing.assert_array_equal(data, samples(total) + x)


def check_default_stamps(stamps: NDArray[np.float64], reanchored: int) -> None:
    """4 ms apart, but where the machine stalled for more than 50 ms; that goes forwards only, and is counted."""
    steps = np.diff(stamps)
    jumps = steps[np.abs(steps - 1 / RATE) > 1e-6]
    assert (steps > 0).all()
    assert len(jumps) == reanchored
    assert len(jumps) < len(stamps) // 10, "one for each chunk would be more than twice as many"


def test_the_stamped_variant_sends_the_input_s_own_times(ray_address: str, graphs: Path, tmp_path: Path) -> None:
    count = int(3 * RATE)
    document, source, result = named("dummy/dummy_8chan_stamped.json")
    both = f"name='{source}' or name='{result}'"
    with (
        launched(document, ray_address, graphs / "dummy") as run,
        Program(graphs / "dummy/outlet.py", "--name", source),
        LslClient(both, tmp_path / "both.npz", outlets=2, count=count) as client,
    ):
        # Ordered by source_id: "rena-graph-outlet-…" stands before "rena_graph:…".
        before, after = client.connected()
        assert (before["name"], after["name"]) == (source, result)
        incoming, outgoing = client.received()
        run.stop()
        only_drops(finish(run))
    first = {int(data[0]): stamp for data, stamp in zip(incoming.data, incoming.stamps, strict=True)}
    shared = [i for i, data in enumerate(outgoing.data) if int(data[0]) in first]
    assert len(shared) > count // 2
    np.testing.assert_array_equal(np.diff(outgoing.data[:, 0]), 1)
    own = np.array([first[int(outgoing.data[i, 0])] for i in shared])
    np.testing.assert_allclose(outgoing.stamps[shared], own, atol=1e-6)
