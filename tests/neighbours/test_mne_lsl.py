"""MNE-LSL beside a graph: ``StreamLSL`` on our outlet, ``PlayerLSL`` as our source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.live.launching import launched, only_drops, unique
from tests.live.processes import Program
from tests.runtime.live import balanced, collect, counter, document, finish, kept, relay, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.lsl, pytest.mark.long]

PROGRAMS = Path(__file__).parent / "programs"
RATE = 250.0


def test_stream_lsl_reads_our_outlet_and_all_that_it_says(mne_python: Path, ray_address: str, tmp_path: Path) -> None:
    name = unique("Out")
    nodes = {"pass": relay("C", "Out", RATE, 3)}
    nodes["pass"]["outputs"]["Out"].update(
        dtype="float32", channel_names=["Fz", "Cz", "Pz"], unit="µV", to={"lsl": {"name": name, "type": "EEG"}}
    )
    config = {"name": name, "source_id": "rena_graph:test:Out", "samples": 500, "path": str(tmp_path / "mne.npz")}
    with (
        launched(document({"C": counter(RATE, 3)}, nodes), ray_address) as run,
        Program(PROGRAMS / "mne_stream.py", json.dumps(config), python=mne_python) as client,
    ):
        assert json.loads(client.line()) == {
            "names": ["Fz", "Cz", "Pz"],
            "types": ["eeg", "eeg", "eeg"],
            "units": [-6, -6, -6],  # powers of ten: it took the unit for microvolts
            "rate": RATE,
            "dtype": "float32",
            "type": "EEG",
            "source_id": "rena_graph:test:Out",
        }
        assert client.line() == "saved"
        run.stop()
        status = finish(run)
    balanced(status)
    only_drops(status)
    with np.load(tmp_path / "mne.npz") as file:
        data, stamps = file["data"], file["stamps"]
    assert data.shape[1] >= 500
    index = data[0]
    assert np.array_equal(index, np.arange(index[0], index[0] + len(index))), "every sample once, in order"
    assert np.allclose(np.diff(stamps), 1 / RATE, atol=1e-6)


def test_player_lsl_is_a_source_like_any_device(mne_python: Path, ray_address: str, tmp_path: Path) -> None:
    name, labels = unique("Player"), ["Fz", "Cz", "Pz", "Oz"]
    config = {"name": name, "source_id": "player", "rate": RATE, "labels": labels, "samples": 1000}
    streams = {"EEG": {"from": {"lsl": {"name": name}}}}
    picked = {"stream": "EEG", "pick": ["Pz", "Fz"]}
    nodes = {"last": collect(tmp_path / "a.npz", picked)}
    with Program(PROGRAMS / "mne_player.py", json.dumps(config), python=mne_python) as player:
        assert player.line() == "plays"
        with launched(document(streams, nodes), ray_address) as run:
            found: dict[str, Any] = wait_until(lambda: played(run.status()["streams"]["EEG"], 600))
            run.stop()
            status = finish(run)
    balanced(status)
    only_drops(status)
    assert (found["channels"], found["nominal_rate"], found["dtype"]) == (4, RATE, "float64")
    assert status["streams"]["EEG"]["gaps"] == status["streams"]["EEG"]["rejected"] == 0
    data = kept(tmp_path / "a.npz")
    index = data["EEG"][:, 1]
    assert np.array_equal(np.diff(index) % 1000, np.ones(len(index) - 1)), "the recording goes on where it ends"
    assert np.array_equal(data["EEG"][:, 0], index + 20_000), "Pz is the third channel of the player"
    assert np.all(np.diff(data["EEG.stamps"]) >= 0)


def played(stream: dict[str, Any], samples: int) -> dict[str, Any] | None:
    return stream if stream["produced"] >= samples else None
