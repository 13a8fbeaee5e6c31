"""Scripts of the installed package, unchanged, as nodes of real graphs, fed and heard by other processes."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from scipy.signal import iirnotch, lfilter, welch

from rena_graph.graph.load import graph_from_dict, load_graph
from rena_graph.graph.model import Graph
from rena_graph.graph.presets import import_presets
from rena_graph.runtime.launch.client import Run, launch
from rena_graph.runtime.options import LaunchOptions
from tests.conftest import ROOT
from tests.limits import LIMIT
from tests.original.outlet import CHANNELS, RATE, sines
from tests.ports import free_port
from tests.runtime.live import SCRIPTS, balanced, collect, document, finish, kept, told, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.lsl]
_numbers = itertools.count()


@pytest.fixture
def unique() -> str:
    """A stream name that nobody else on this network has."""
    return f"rgoriginal-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def outlet() -> Iterator[Callable[[str], None]]:
    """Starts the outlet of ``outlet.py`` in a process of its own, and waits until it is on the network."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str) -> None:
        command = [sys.executable, "-m", "tests.original.outlet", name, "60"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    yield start
    for process in started:
        process.kill()
        process.communicate()


@contextmanager
def running(graph: Graph | dict[str, Any], address: str, *allowed: Path) -> Iterator[Run]:
    if isinstance(graph, dict):
        graph = graph_from_dict(graph, SCRIPTS, allow_code=[*allowed, Path(tempfile.gettempdir())])
    with launch(graph, LaunchOptions(address=address)) as run:
        run.start()
        yield run


@pytest.fixture
def package(original_site: Path) -> Path:
    return original_site / "physiolabxr"


def loops(run: Run, node: str) -> int:
    return int(run.status()["nodes"][node]["loops"])


def test_base_rena_script(package: Path, ray_address: str) -> None:
    node = {"script": str(package / "scripting" / "BaseRenaScript.py"), "run_frequency": 50}
    with running(document({}, {"base": node}), ray_address, package) as run:
        wait_until(lambda: loops(run, "base") >= 20)
        run.stop()
        status = finish(run)
        said = told(run)
    assert status["nodes"]["base"]["exceptions"] == 0
    assert said.count("Loop function is called") >= 20
    assert "Cleanup function is called" in said


def test_example_script_raises_in_every_loop_and_its_outputs_are_sent(
    package: Path, outlet: Callable[[str], None], unique: str, ray_address: str, tmp_path: Path
) -> None:
    outlet(unique)
    nodes = {
        "example": {
            "script": str(package / "examples" / "ExampleScript.py"),
            "run_frequency": 25,
            "inputs": [{"stream": unique, "as": "Dummy-8Chan"}],
            "outputs": {"output1": {"channels": 10}, "output2": {"channels": 1, "dtype": "float64"}},
            "params": {"param1": "one", "param2": 0.25},
        },
        "last": collect(tmp_path / "kept.npz", "output1", "output2"),
    }
    with running(document({unique: {"from": {"lsl": {"name": unique}}}}, nodes), ray_address, package) as run:
        wait_until(lambda: loops(run, "example") >= 30)
        run.stop()
        status = finish(run)
        said = told(run)
    balanced(status)
    example = status["nodes"]["example"]
    assert example["exceptions"] == example["loops"] >= 30, "it asks a pair of arrays for its shape"
    assert "'shape'" in said
    sent = kept(tmp_path / "kept.npz")
    assert sent["output1"].shape == (example["loops"], 10)
    assert (sent["output1"] >= 0).all()
    assert (sent["output1"] < 1).all()
    assert (sent["output2"] == 0.25).all()


def test_long_loop_script_is_killed(package: Path, ray_address: str) -> None:
    node = {"script": str(package / "scripting" / "LongLoopScript.py"), "run_frequency": 10, "stop_timeout": 0.5}
    with running(document({}, {"long": node}), ray_address, package) as run:
        wait_until(lambda: "Running a very long loop 100" in told(run))
        run.stop()
        finish(run)
        said = told(run)
    assert "did not stop in time and was killed" in said
    assert loops(run, "long") == 0, "its first loop never ended"
    assert "Cleanup function is called" not in said, "a killed script is not cleaned up"


def test_lsl_output_simulation(package: Path, unique: str, ray_address: str, tmp_path: Path) -> None:
    node = {
        "script": str(package / "scripting" / "Examples" / "LSLOutputSimulation.py"),
        "run_frequency": 20,
        "outputs": {unique: {"channels": 3, "rate": 100, "to": {"lsl": {"type": "EEG"}}}},
        "params": {"SamplingRate": 100},
    }
    nodes = {"simulation": node, "last": collect(tmp_path / "kept.npz", unique)}
    with running(document({}, nodes), ray_address, package) as run:
        client = [sys.executable, str(ROOT / "tests" / "bridges" / "peers" / "inlet.py"), unique, "150", "20"]
        heard = subprocess.run(client, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=LIMIT, check=True)
        run.stop()
        status = finish(run)
    balanced(status)
    info, received = map(json.loads, heard.stdout.decode().splitlines())
    assert (info["channels"], info["rate"]) == (3, 100.0)
    assert (np.diff(received["stamps"]) > 0).all(), "the original stamps whole chunks with one time"
    inside = kept(tmp_path / "kept.npz")[unique]
    samples = np.array(received["samples"], np.float32)
    first = int(np.flatnonzero((inside == samples[0]).all(1))[0])
    np.testing.assert_array_equal(samples, inside[first : first + len(samples)])
    assert status["nodes"]["simulation"]["bad_outputs"] == 0


def saved_state(stream: str, port: int) -> dict[str, Any]:
    """What the original would have saved: a stream with a notch filter, and a script that takes it."""
    notch = {
        "data_processor_type": "NotchFilter", "data_processor_activated": True, "data_processor_valid": True,
        "channel_num": CHANNELS, "w0": 50.0, "Q": 20.0, "fs": RATE,
    }  # fmt: skip
    group = {"group_name": "G", "channel_indices": list(range(CHANNELS)), "data_processors": [notch]}
    band = [{"name": "text", "type": "float", "value": edge} for edge in (1.0, 4.0)]
    other = [{"name": "text", "type": "float", "value": edge} for edge in (45.0, 55.0)]
    script = {
        "id": "8f7e3a52", "inputs": [stream], "run_frequency": "15", "time_window": "10", "is_simulate": False,
        "script_path": str(SCRIPTS / "bandpower.py"),
        "output_presets": [
            {"stream_name": "psd", "num_channels": 100, "interface_type": "ZMQ", "data_type": "float32",
             "port_number": port},
        ],
        "param_presets": [
            {"name": "source", "type": "str", "value": stream}, {"name": "window_size", "type": "int", "value": 1},
            {"name": "bands", "type": "list", "value": [
                {"name": "text", "type": "list", "value": band}, {"name": "text", "type": "list", "value": other}]},
        ],
    }  # fmt: skip
    preset = {
        "stream_name": stream, "num_channels": CHANNELS, "preset_type": "LSL", "data_type": "float32",
        "nominal_sampling_rate": RATE, "group_info": {"G": group},
    }  # fmt: skip
    return {"stream_presets": {stream: preset}, "script_presets": {"8f7e3a52": script}, "experiment_presets": {}}


def expected_powers() -> np.ndarray[Any, Any]:
    """By SciPy: of the filtered signal's last second, when the filter has settled."""
    b, a = iirnotch(50.0, 20.0, fs=RATE)
    settled = lfilter(b, a, sines(int(20 * RATE)).astype(np.float32), axis=0)[-int(RATE) :]
    freqs, psd = welch(settled, fs=RATE, nperseg=int(RATE), axis=0)
    bands = [psd[(freqs >= low) & (freqs < high)].mean(0) for low, high in ((1.0, 4.0), (45.0, 55.0))]
    return np.pad(np.concatenate(bands), (0, 100 - 2 * CHANNELS))


def test_a_saved_state_with_bandpower_and_a_filter_runs_as_imported(
    outlet: Callable[[str], None], unique: str, ray_address: str, tmp_path: Path
) -> None:
    """From the saved state to numbers: LSL in, notch filter, the script, ZMQ out in the original's format."""
    port = free_port()
    (tmp_path / "_presets.json").write_text(json.dumps(saved_state(unique, port)))
    imported = import_presets([tmp_path / "_presets.json"], tmp_path / "graph.json")
    assert imported.valid, imported.problems
    outlet(unique)
    wanted = expected_powers()
    graph = load_graph(imported.path, allow_code=imported.allow_code)
    with zmq.Context() as context, context.socket(zmq.SUB) as subscriber, running(graph, ray_address) as run:
        subscriber.linger = 0
        subscriber.subscribe(b"psd")
        subscriber.connect(f"tcp://127.0.0.1:{port}")
        found = np.zeros(100, np.float32)

        def settled() -> bool:
            nonlocal found
            assert subscriber.poll(60_000)
            topic, stamp, payload = subscriber.recv_multipart()
            assert (topic, len(stamp)) == (b"psd", 8)
            found = np.frombuffer(payload, "<f4")
            return np.allclose(found, wanted, rtol=1e-2, atol=1e-3)

        wait_until(settled, what="the band powers that SciPy gives")
        run.stop()
        status = finish(run)
    balanced(status)
    assert status["nodes"]["bandpower"]["exceptions"] == 0
    assert wanted[CHANNELS : 2 * CHANNELS].max() < 1e-2 < wanted[:CHANNELS].min(), "50 Hz are gone, 2 Hz are not"
