"""ezmsg-lsl beside a graph: its inlet on our outlet, its outlet as our source."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.live.launching import launched, only_drops, unique
from tests.live.processes import Program
from tests.runtime.live import balanced, collect, counter, document, finish, kept, relay, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.lsl, pytest.mark.long]

PROGRAMS = Path(__file__).parent / "programs"
RATE = 250.0


def test_its_inlet_reads_our_outlet(ezmsg_python: Path, ray_address: str, tmp_path: Path) -> None:
    name = unique("Out")
    nodes = {"pass": relay("C", "Out", RATE, 2)}
    nodes["pass"]["outputs"]["Out"].update(channel_names=["left", "right"], to={"lsl": {"name": name, "type": "EEG"}})
    config = {"name": name, "samples": 500, "path": str(tmp_path / "ez.npz")}
    with (
        launched(document({"C": counter(RATE)}, nodes), ray_address) as run,
        Program(PROGRAMS / "ezmsg_inlet.py", json.dumps(config), python=ezmsg_python) as client,
    ):
        assert client.line() == f"saved {name} ['time', 'ch']"
        run.stop()
        balanced(finish(run))
    with np.load(tmp_path / "ez.npz") as file:
        index = file["data"][:, 0]
        assert np.array_equal(index, np.arange(index[0], index[0] + len(index)))
        assert file["labels"].tolist() == ["left", "right"]
        assert float(file["rate"]) == pytest.approx(RATE)


def test_its_outlet_is_a_source(ezmsg_python: Path, ray_address: str, tmp_path: Path) -> None:
    name = unique("In")
    config = {"name": name, "rate": RATE, "labels": ["left", "right"]}
    streams = {"EEG": {"from": {"lsl": {"name": name}}}}
    nodes = {"last": collect(tmp_path / "a.npz", {"stream": "EEG", "pick": ["right", "left"]})}
    with Program(PROGRAMS / "ezmsg_outlet.py", json.dumps(config), python=ezmsg_python) as outlet:
        assert outlet.tell("1") == "sent"  # the outlet is there with its first message
        with launched(document(streams, nodes), ray_address) as run:
            for _ in range(20):
                assert outlet.tell("25") == "sent"
            wait_until(lambda: run.status()["streams"]["EEG"]["produced"] >= 500)
            run.stop()
            status = finish(run)
    balanced(status)
    only_drops(status)
    data = kept(tmp_path / "a.npz")
    assert data["EEG"].dtype == np.float32
    assert np.array_equal(data["EEG"][:, 1], np.arange(1, 501)), "each once; the first came before anybody listened"
    assert np.array_equal(data["EEG"][:, 0], -data["EEG"][:, 1])
    assert np.allclose(np.diff(data["EEG.stamps"]), 1 / RATE, atol=1e-6)
