"""All examples: they are valid without a warning, documented, attributed, and their relays relay."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

from rena_graph.graph.document import EveryTrigger
from rena_graph.graph.load import load_graph
from rena_graph.testing import ScriptHarness

GRAPHS = Path(__file__).resolve().parents[2] / "graphs"
FILES = sorted(GRAPHS.glob("*/*.json"))


def test_there_are_the_examples_that_are_promised() -> None:
    names = {f.relative_to(GRAPHS).as_posix() for f in FILES}
    assert names >= {"dummy/dummy_8chan.json", "ecg/heart_rate.json", "eeg/feedback.json"}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_is_valid_without_a_warning(file: Path) -> None:
    graph = load_graph(file)
    assert list(graph.warnings) == []
    assert graph.document.description


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_names_the_schema_for_editors(file: Path) -> None:
    reference = json.loads(file.read_text(encoding="utf-8"))["$schema"]
    assert (file.parent / reference).is_file()


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_stands_in_the_readme(file: Path) -> None:
    assert f"`{file.relative_to(GRAPHS).as_posix()}`" in (GRAPHS / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_every_node_starts_and_loops_without_data(file: Path) -> None:
    if file.stem.startswith("classifier") and importlib.util.find_spec("torch") is None:
        pytest.skip("needs another Python environment: one with PyTorch")
    for name, definition in load_graph(file).nodes.items():
        with ScriptHarness.from_graph(file, name) as node:
            if not isinstance(definition.trigger, EveryTrigger):  # that one has no loop without a block
                node.loop(2)
            assert all(len(data) == 0 for data, _ in node.outputs.values())


@pytest.mark.parametrize("recording", sorted(GRAPHS.glob("*/data/*.npz")), ids=lambda f: f.stem)
def test_each_recording_says_where_it_comes_from(recording: Path) -> None:
    attribution = (recording.parent / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert f"`{recording.name}`" in attribution
    assert "License" in attribution


@pytest.mark.parametrize("page", ["graphs/README.md", "docs/examples.md"])
def test_links_and_commands_lead_somewhere(page: str) -> None:
    root = GRAPHS.parent
    text = (root / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert links
    for link in links:
        assert ((root / page).parent / link).exists(), link
    for path in re.findall(r"(?<![\w/.])graphs/[\w/.]+\.(?:json|py)", text):
        assert (root / path).is_file(), path


@pytest.mark.parametrize(
    ("file", "rate"), [("counters/counters_250hz.json", 250), ("counters/counters_2048hz.json", 2048)]
)
def test_five_relays_pass_on_everything_once_and_in_order(file: str, rate: int) -> None:
    graph = load_graph(GRAPHS / file)
    assert len(graph.nodes) == 5
    assert graph.streams["Counter"].rate == rate
    channels = graph.streams["Counter"].channels
    assert channels is not None
    count = 3 * rate
    data = np.tile(np.arange(count, dtype=np.float64)[:, np.newaxis], (1, channels))
    stamps = 10 + np.arange(count) / rate
    for name in graph.order:
        with ScriptHarness.from_graph(graph, name) as node:
            node.play("in", data, stamps, block=100)
            data, stamps = node.outputs["out"]
    np.testing.assert_array_equal(data[:, 0], np.arange(count))
    np.testing.assert_array_equal(stamps, 10 + np.arange(count) / rate)


def test_the_harness_example_of_the_page_works(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (GRAPHS.parent / "docs/examples.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def test_" in block)
    names: dict[str, object] = {}
    exec(code, names)
    monkeypatch.chdir(GRAPHS.parent)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    assert callable(test)
    test()
