"""docs/scripting.md against the code: its example runs, and every public name of a script's objects stands in it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from rena_graph.runtime.node.script_loader import load_script
from rena_graph.script import RenaScript
from rena_graph.streams.inputs import Inputs
from rena_graph.streams.spec import StreamSpec
from tests.contract.one_node import Node

DOC = (Path(__file__).parents[2] / "docs" / "scripting.md").read_text()
NOT_FOR_SCRIPTS = {"begin_loop", "port", "ports", "get", "values", "default_layout", "original_names"}


def test_the_first_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    found = re.search(r"```python\n(.*?)```", DOC, re.S)
    assert found is not None
    path = tmp_path / "add_x.py"
    path.write_text(found[1])
    script = load_script(path, "add_x")
    try:
        streams = [StreamSpec("Dummy-8Chan", 8, "float32", 250.0)]
        node = Node(script, inputs=streams, outputs=[StreamSpec("Dummy-8Chan-add-X", 8)], params={"x": 1.0})
        node.script.init()
        node.loop()
        node.feed("Dummy-8Chan", np.arange(16).reshape(2, 8), [5.0, 5.004])
        node.loop()
        node.script.cleanup()
    finally:
        del sys.modules[script.__module__]
    data, stamps = node.sent["Dummy-8Chan-add-X"][0]
    assert data.tolist() == (np.arange(16).reshape(2, 8) + 1).tolist()
    assert stamps.tolist() == [5.0, 5.004]
    assert capsys.readouterr().out == "2 samples in all\n"


@pytest.mark.parametrize("kind", [Inputs, RenaScript])
def test_every_public_name_is_documented(kind: type) -> None:
    names = {name for name in dir(kind) if not name.startswith("_")}
    if kind is RenaScript:
        names |= {name for name in vars(Node().script) if not name.startswith("_")}
    missing = {name for name in names - NOT_FOR_SCRIPTS if not re.search(rf"\b{name}\b", DOC)}
    assert missing == set()
