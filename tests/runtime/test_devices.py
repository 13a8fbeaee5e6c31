"""A node that asks for no GPU sees none, also where Ray would leave it all."""

from __future__ import annotations

import os

import pytest

from rena_graph.graph.document import PlacementDef
from rena_graph.runtime.node.devices import VARIABLES, hide_gpus
from tests.runtime.live import counter, document, finish, running, told


@pytest.mark.parametrize(("asked", "seen"), [(0.0, ""), (0.5, "1"), (2.0, "1")])
def test_they_are_hidden_from_who_asks_for_none(asked: float, seen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "1")
    hide_gpus(PlacementDef(num_gpus=asked))
    assert {os.environ[name] for name in VARIABLES} == {seen}


@pytest.mark.ray
def test_a_script_on_this_host_sees_none_unasked(ray_address: str) -> None:
    node = {"script": "devices.py", "inputs": ["C"], "params": {"who": "it"}}
    with running(document({"C": counter(100, samples=10)}, {"a": node}), ray_address) as run:
        finish(run)
        assert "it sees ''" in told(run)
