"""The documentation's own example: its scripts offline, and its outlet in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pylsl
import pytest

from rena_graph.testing import ScriptHarness
from tests.limits import LIMIT

CHANNELS = 8
RATE = 250.0


def samples(first: int, count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """What the outlet sends: the index, and a sine of k Hz in channel k."""
    index = np.arange(first, first + count)
    data = np.stack([np.sin(2 * np.pi * k * index / RATE) for k in range(CHANNELS)], axis=1)
    data[:, 0] = index
    return data.astype(np.float32)


def test_adds_x_to_each_sample_and_loses_none(graphs: Path) -> None:
    cuts = np.random.default_rng(0).integers(4, 12, 500).cumsum()
    with ScriptHarness.from_graph(graphs / "dummy/dummy_8chan.json", "add_x") as node:
        node.set_params(x=2.5)
        for a, b in zip([0, *cuts], cuts, strict=False):
            node.feed("Dummy-8Chan", samples(a, b - a))
            node.loop()
        data, timestamps = node.outputs["Dummy-8Chan-add-X"]
    np.testing.assert_array_equal(data, samples(0, cuts[-1]) + np.float32(2.5))
    np.testing.assert_allclose(np.diff(timestamps), 1 / RATE, atol=1e-9)
    assert data.dtype == np.float32


def test_a_new_x_holds_from_the_next_loop_on(graphs: Path) -> None:
    with ScriptHarness.from_graph(graphs / "dummy/dummy_8chan.json", "add_x") as node:
        assert node.params["x"] == 0.0
        for x in (0.0, 5.0, -1.5):
            node.set_params(x=x)
            node.feed("Dummy-8Chan", np.zeros((10, CHANNELS)))
            node.loop()
        data, _ = node.outputs["Dummy-8Chan-add-X"]
    np.testing.assert_array_equal(data[:, 0], np.repeat([0.0, 5.0, -1.5], 10))


def test_says_when_it_begins_and_ends(graphs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptHarness.from_graph(graphs / "dummy/dummy_8chan.json", "add_x") as node:
        assert capsys.readouterr().out == "Init function is called\n"
        node.loop(3)
        assert len(node.outputs["Dummy-8Chan-add-X"][0]) == 0
    assert capsys.readouterr().out == "Cleanup function is called\n"


def test_the_stamped_variant_keeps_the_input_s_own_times(graphs: Path) -> None:
    times = 50 + np.cumsum(np.random.default_rng(1).uniform(0.003, 0.005, 100))
    with ScriptHarness.from_graph(graphs / "dummy/dummy_8chan_stamped.json", "add_x") as node:
        node.set_params(x=1.0)
        for k in range(0, 100, 20):
            node.feed("Dummy-8Chan", samples(k, 20), times[k : k + 20])
            node.loop()
        data, timestamps = node.outputs["Dummy-8Chan-add-X"]
    np.testing.assert_array_equal(timestamps, times)
    np.testing.assert_array_equal(data, samples(0, 100) + np.float32(1))


@pytest.mark.lsl
def test_the_outlet_sends_every_sample_once_at_its_own_time(graphs: Path) -> None:
    name = f"outlet-{uuid.uuid4().hex}"
    command = [sys.executable, str(graphs / "dummy/outlet.py"), "--name", name, "--seconds", "1", "--wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            (info,) = pylsl.resolve_byprop("name", name, 1, LIMIT)
            inlet = pylsl.StreamInlet(info, recover=False)
            full = inlet.info(LIMIT)
            received, stamps = receive(inlet, 250)
            inlet.close_stream()
            assert process.wait(LIMIT) == 0
            assert process.stdout is not None
            assert "sent 250 samples" in process.stdout.read()
        finally:
            process.kill()
    assert (full.channel_count(), full.nominal_srate(), full.type()) == (CHANNELS, RATE, "EEG")
    assert full.source_id()
    assert full.desc().child("channels").first_child().child_value("label") == "Ch0"
    np.testing.assert_array_equal(received, samples(0, 250))
    np.testing.assert_allclose(np.diff(stamps), 1 / RATE, atol=1e-9)


def receive(inlet: pylsl.StreamInlet, count: int) -> tuple[list[list[float]], list[float]]:
    """So many samples."""
    data: list[list[float]] = []
    stamps: list[float] = []
    while len(data) < count:
        chunk, times = inlet.pull_chunk(timeout=LIMIT, max_samples=count - len(data))
        assert times, f"only {len(data)} of {count} samples came"
        data += chunk
        stamps += times
    return data, stamps
