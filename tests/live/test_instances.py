"""Two runs of one graph side by side, and one run launched again: what LSL clients see of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.live.launching import launched, unique
from tests.live.processes import LslClient
from tests.runtime.live import counter, document, finish, relay

pytestmark = [pytest.mark.ray, pytest.mark.lsl]


def graph(outlet: str) -> dict[str, Any]:
    nodes = {"pass": relay("C", "Out", 100)}
    nodes["pass"]["outputs"]["Out"]["to"] = {"lsl": {"name": outlet}}
    return document({"C": counter(100)}, nodes)


def test_two_instances_are_told_apart_and_a_client_finds_its_own_again(ray_address: str, tmp_path: Path) -> None:
    name = unique("Out")
    with (
        launched(graph(name), ray_address, instance="right"),
        launched(graph(name), ray_address, instance="left") as left,
        LslClient(f"name='{name}'", tmp_path / "both.npz", outlets=2, recover=True, mark=100, again=True) as both,
    ):
        found = both.connected()
        assert [info["source_id"].rpartition(":")[2] for info in found] == ["left", "right"]
        both.marked()
        left.stop()
        finish(left)
        with (
            launched(graph(name), ray_address, instance="left"),
            LslClient(f"source_id='{found[0]['source_id']}'", tmp_path / "new.npz", count=100) as new,
        ):
            assert new.connected() == found[:1]
            new.received()
            both.found_again()
            ours, theirs = both.finished()
    restarts = np.flatnonzero(np.diff(ours.data[:, 0]) < 0)
    assert len(restarts) == 1, "the client did not find the outlet that came back"
    assert np.array_equal(np.unique(np.diff(theirs.data[:, 0])), [1])
