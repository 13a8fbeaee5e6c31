"""The filters of stream presets, imported as nodes: they give what the original's filters give."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rena_graph.graph.load import load_graph
from rena_graph.graph.presets import import_presets
from rena_graph.streams.spec import StreamSpec
from rena_graph.testing import ScriptHarness
from tests.original.environment import Original

RATE, CHANNELS, SAMPLES = 250.0, 4, 1500
KINDS: dict[str, dict[str, float]] = {
    "NotchFilter": {"w0": 50.0, "Q": 20.0, "fs": RATE},
    "ButterworthLowpassFilter": {"cutoff": 30.0, "fs": RATE, "order": 4},
    "ButterworthHighpassFilter": {"cutoff": 1.0, "fs": RATE, "order": 2},
    "ButterworthBandpassFilter": {"lowcut": 5.0, "highcut": 40.0, "fs": RATE, "order": 3},
    "RootMeanSquare": {"fs": RATE, "window": 100.0},
    "ClutterRemoval": {"signal_clutter_ratio": 0.9},
}
Groups = list[tuple[list[int], list[tuple[str, dict[str, float]]]]]


def signal(dtype: str) -> NDArray[Any]:
    """``(channels, samples)``: noise on two sines, large enough for integers."""
    time = np.arange(SAMPLES) / RATE
    noise = np.random.default_rng(7).normal(0, 20, (CHANNELS, SAMPLES))
    return np.asarray(100 + noise + 80 * np.sin(2 * np.pi * 50 * time) + 40 * np.sin(2 * np.pi * 6 * time)).astype(
        dtype
    )


def state(saved: list[list[dict[str, Any]]], groups: Groups, preset_type: str, dtype: str) -> dict[str, Any]:
    """A saved state with these filters, as the original writes it."""
    info = {
        f"group{i}": {"group_name": f"group{i}", "channel_indices": channels, "data_processors": filters}
        for i, ((channels, _), filters) in enumerate(zip(groups, saved, strict=True))
    }
    stream = {
        "stream_name": "EEG", "num_channels": CHANNELS, "channel_names": None, "group_info": info, "device_info": {},
        "preset_type": preset_type, "data_type": dtype, "port_number": 5555, "display_duration": 10.0,
        "nominal_sampling_rate": RATE, "can_edit_channel_names": True,
        "data_processor_only_apply_to_visualization": False,
    }  # fmt: skip
    return {"stream_presets": {"EEG": stream}, "script_presets": {}, "experiment_presets": {}}


def play(path: Path, data: NDArray[Any], dtype: str) -> NDArray[Any]:
    """The imported chain of filters, node after node, on `data` of ``(samples, channels)``."""
    graph = load_graph(path)
    specs = {"EEG": StreamSpec("EEG", CHANNELS, dtype, RATE)}
    for node in graph.order:
        if node == "show_streams":
            return data
        with ScriptHarness.from_graph(graph, node, specs) as harness:
            harness.play("in", data, block=37)
            (made,) = graph.outputs_of(node)
            data, stamps = harness.outputs["out"]
            specs[made.name] = StreamSpec(made.name, CHANNELS, str(data.dtype), RATE)
            assert len(stamps) == len(data) == SAMPLES
    return data


def compare(original: Original, folder: Path, groups: Groups, preset_type: str, dtype: str) -> None:
    frames = signal(dtype)
    # What the original's LSL client makes of all numbers.
    read = frames.astype(np.float64 if dtype.startswith("float") else np.int64) if preset_type == "LSL" else frames
    pieces = list(itertools.accumulate([29, 1, 64, 400, 10]))
    theirs = original.ask("filtered", frames=read, pieces=pieces, groups=groups)
    presets = folder / "_presets.json"
    presets.write_text(json.dumps(state(theirs["saved"], groups, preset_type, dtype)))
    imported = import_presets([presets], folder / "graph.json")
    assert imported.valid, imported.problems
    ours = play(folder / "graph.json", frames.T, dtype)
    assert ours.dtype == theirs["frames"].dtype
    if dtype.startswith("float"):
        np.testing.assert_allclose(ours, theirs["frames"].T, rtol=1e-9, atol=1e-9)
    else:
        # Both cut off the fraction, where the last bit of it may decide.
        assert np.abs(ours.astype(np.int64) - theirs["frames"].T.astype(np.int64)).max() <= 1
        assert (ours == theirs["frames"].T).mean() > 0.999


@pytest.mark.parametrize("dtype", ["float64", "int16"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_filter(kind: str, dtype: str, original: Original, tmp_path: Path) -> None:
    compare(original, tmp_path, [([0, 1, 2, 3], [(kind, KINDS[kind])])], "LSL", dtype)


def test_filters_one_after_the_other_on_groups_of_channels(original: Original, tmp_path: Path) -> None:
    first = [(kind, KINDS[kind]) for kind in ("NotchFilter", "ButterworthBandpassFilter", "RootMeanSquare")]
    compare(
        original, tmp_path, [([0, 2], first), ([3], [("ClutterRemoval", KINDS["ClutterRemoval"])])], "LSL", "float32"
    )


def test_over_zmq_values_keep_their_type(original: Original, tmp_path: Path) -> None:
    compare(
        original,
        tmp_path,
        [([1, 2], [("ButterworthLowpassFilter", KINDS["ButterworthLowpassFilter"])])],
        "ZMQ",
        "int32",
    )
