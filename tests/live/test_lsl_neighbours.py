"""LSL as it is in laboratories: devices that come late, die and come back, markers, streams without a rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.limits import LIMIT
from tests.live.launching import launched, only_drops, unique
from tests.live.processes import LslClient, LslOutlet
from tests.runtime.live import balanced, collect, counter, document, finish, kept, relay, told, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.lsl]

RATE = 100.0


def lsl(name: str, channels: int, rate: float, dtype: str) -> dict[str, Any]:
    return {"from": {"lsl": {"name": name}}, "channels": channels, "rate": rate, "dtype": dtype}


def test_a_device_that_comes_late_dies_and_comes_back(ray_address: str, tmp_path: Path) -> None:
    name = unique("Device")
    streams = {"Device": lsl(name, 2, RATE, "float64"), "Other": counter(RATE)}
    nodes = {"pass": relay("Device", "Passed", RATE), "last": collect(tmp_path / "a.npz", "Passed", "Other")}
    with launched(document(streams, nodes), ray_address) as run:

        def device() -> dict[str, Any]:
            stream: dict[str, Any] = run.status()["streams"]["Device"]
            return stream

        wait_until(lambda: device()["source_state"] == "waiting")
        with LslOutlet(name) as first:
            first.command(wait=LIMIT)
            first.command(count=True)
            wait_until(lambda: device()["produced"] >= 100)
            assert device()["source_state"] == "connected"
            first.kill()
        wait_until(lambda: device()["source_state"] == "lost")
        before = device()["produced"]
        with LslOutlet(name) as second:
            second.command(wait=LIMIT)
            second.command(count=True)
            wait_until(lambda: device()["produced"] >= before + 100)
            run.stop()
            status = finish(run)
        said = told(run)
    balanced(status)
    only_drops(status)
    stream = status["streams"]["Device"]
    assert (stream["source_state"], stream["recoveries"], stream["gaps"]) == ("connected", 1, 1)
    assert stream["lost"] > 0
    assert all(node["restarts"] == node["exceptions"] == 0 for node in status["nodes"].values())
    assert [said.count(f"stream 'Device': {what}") for what in ("waiting", "connected", "its outlet")] == [1, 2, 1]

    data = kept(tmp_path / "a.npz")
    assert np.array_equal(data["Other"][:, 0], np.arange(len(data["Other"]))), "its neighbour noticed"
    index = data["Passed"][:, 0]
    assert np.array_equal(index, [*range(before), *range(len(index) - before)])
    steps = np.diff(data["Passed.stamps"])
    assert np.argmax(steps) == before - 1
    assert np.allclose(np.delete(steps, before - 1), 1 / RATE, atol=1e-3)


def test_markers_and_streams_without_a_rate_cross_the_graph(ray_address: str, tmp_path: Path) -> None:
    names = {what: unique(what) for what in ("a-words", "b-numbers", "c-words-out", "d-numbers-out")}
    words = [["go"], ["α → ω"], [""], ["a" * 5000]]
    numbers = [[i, i / 7, -float(i)] for i in range(50)]
    stamps = [-1.0, -0.4, -0.4, 0.0]
    uneven = np.cumsum(np.random.default_rng(0).uniform(0.0, 0.02, 50)) - 1.0
    streams = {
        "Words": lsl(names["a-words"], 1, 0, "string"),
        "Numbers": lsl(names["b-numbers"], 3, 0, "float64"),
    }
    nodes = {"words": relay("Words", "Words-out", 0, 1), "numbers": relay("Numbers", "Numbers-out", 0, 3)}
    nodes["words"]["outputs"]["Words-out"].update(dtype="string", to={"lsl": {"name": names["c-words-out"]}})
    nodes["numbers"]["outputs"]["Numbers-out"]["to"] = {"lsl": {"name": names["d-numbers-out"], "type": "Gaze"}}
    with (
        LslOutlet(names["a-words"], channels=1, rate=0.0, format="string", source_id="a", type="Markers") as markers,
        LslOutlet(names["b-numbers"], channels=3, rate=0.0, source_id="b") as gaze,
        launched(document(streams, nodes), ray_address) as run,
        LslClient(among(*names.values()), tmp_path / "a.npz", outlets=4) as client,
    ):
        found = client.connected()
        wait_until(lambda: all(s["source_state"] == "connected" for s in sources(run.status())))
        markers.command(push=words, stamps=stamps)
        gaze.command(push=numbers, stamps=uneven.tolist())
        wait_until(lambda: [s["produced"] for s in sources(run.status())] == [4, 50])
        run.stop()
        status = finish(run)
        words_in, numbers_in, *out = client.finished()
    balanced(status)
    only_drops(status)
    by_name = dict(zip([info["name"] for info in found[2:]], out, strict=True))
    words_out, numbers_out = by_name[names["c-words-out"]], by_name[names["d-numbers-out"]]
    assert words_out.data.tolist() == words_in.data.tolist() == words
    assert np.array_equal(numbers_out.data, numbers)
    assert np.allclose(words_out.stamps, words_in.stamps, atol=1e-3)
    assert np.allclose(numbers_out.stamps, numbers_in.stamps, atol=1e-3)
    assert all(stream["gaps"] == stream["lost"] == stream["backwards"] == 0 for stream in sources(status))


def among(*names: str) -> str:
    return " or ".join(f"name='{name}'" for name in names)


def sources(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [status["streams"]["Words"], status["streams"]["Numbers"]]
