"""The graph's streams, edges and order, and the graphs that are made from another one."""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.errors import ExitCode, GraphInvalid, ParamRefused, UsageError
from rena_graph.graph.changed import simulated, with_formats, with_params
from rena_graph.graph.load import graph_from_dict, load_graph
from rena_graph.graph.settings import parse_settings
from tests.graph.documents import LSL_EEG, document, graph_of, problems_of

GRAPHS = Path(__file__).parents[2] / "graphs"
ONE = {"channels": 1}


def loop_graph() -> dict[str, Any]:
    return {
        "feedback": {"inputs": ["class"], "outputs": {"fb": {**ONE, "rate": 60, "to": {"lsl": {"type": "F"}}}}},
        "filter": {"inputs": ["EEG"], "outputs": {"clean": {"channels": 4, "rate": 250, "as": "out"}}},
        "classify": {
            "inputs": [{"stream": "clean", "as": "x"}, {"stream": "fb", "delayed": True}, "EEG"],
            "outputs": {"class": ONE},
        },
    }


def test_streams_edges_and_order() -> None:
    graph = graph_of(loop_graph(), EEG=LSL_EEG)
    assert list(graph.streams) == ["EEG", "fb", "clean", "class"]
    assert [(e.stream, e.node, e.name, e.index) for e in graph.edges] == [
        ("class", "feedback", "class", 0),
        ("EEG", "filter", "EEG", 1),
        ("clean", "classify", "x", 2),
        ("fb", "classify", "fb", 3),
        ("EEG", "classify", "EEG", 4),
    ]
    assert graph.levels == (("filter",), ("classify",), ("feedback",))
    assert graph.order == ("filter", "classify", "feedback")
    assert [edge.node for edge in graph.consumers("EEG")] == ["filter", "classify"]
    assert graph.consumers("clean") == (graph.edges[2],)
    assert [edge.stream for edge in graph.inputs_of("classify")] == ["clean", "fb", "EEG"]
    assert [stream.name for stream in graph.outputs_of("filter")] == ["clean"]
    assert [stream.name for stream in graph.external] == ["EEG"]


def test_facts_of_streams() -> None:
    streams = graph_of(loop_graph(), EEG=LSL_EEG).streams
    eeg, clean, fb = streams["EEG"], streams["clean"], streams["fb"]
    assert (eeg.producer, eeg.channels, eeg.rate, eeg.dtype, eeg.unit) == (None, 4, 250, "float32", "uV")
    assert eeg.channel_names == ("C3", "C4", "Cz", "Pz")
    assert eeg.live
    assert eeg.complete
    assert (clean.producer, clean.script_name, clean.dtype, clean.live) == ("filter", "out", "float32", False)
    assert fb.sinks.lsl is not None
    assert fb.sinks.lsl.type == "F"
    assert eeg.sinks.lsl is None
    unknown = graph_of({"a": {"inputs": ["L"]}}, L={"from": {"lsl": {"type": "EEG"}}}).streams["L"]
    assert not unknown.complete


def test_the_dag_leaves_delayed_edges_out_unless_asked() -> None:
    graph = graph_of(loop_graph(), EEG=LSL_EEG)
    assert nx.is_directed_acyclic_graph(graph.dag())
    assert sorted(graph.dag().edges(data="streams")) == [
        ("classify", "feedback", ["class"]),
        ("filter", "classify", ["clean"]),
    ]
    assert ("feedback", "classify") in graph.dag(delayed=True).edges


@given(st.data())
def test_levels_agree_with_networkx(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda p: p[0] < p[1])
    edges = data.draw(st.sets(pairs)) if count > 1 else set()
    order = data.draw(st.permutations(range(count)))
    nodes = {
        f"n{i}": {"inputs": [f"s{a}" for a, b in sorted(edges) if b == i], "outputs": {f"s{i}": ONE}} for i in order
    }
    graph = graph_of(nodes)
    generations = [set(level) for level in nx.topological_generations(graph.dag())]
    assert [set(level) for level in graph.levels] == generations


def test_a_simulated_input_is_a_stream_of_its_own() -> None:
    nodes = loop_graph()
    nodes["classify"]["simulate_input"] = True
    graph = graph_of(nodes, EEG=LSL_EEG)
    assert [edge.stream for edge in graph.inputs_of("classify")] == ["clean@classify", "fb@classify", "EEG@classify"]
    stand_in = graph.streams["EEG@classify"]
    assert stand_in.source is not None
    assert stand_in.source.source.kind == "simulate"
    assert (stand_in.channels, stand_in.rate, stand_in.dtype, stand_in.unit) == (4, 250, "float32", "uV")
    assert stand_in.channel_names == ("C3", "C4", "Cz", "Pz")
    assert [edge.node for edge in graph.consumers("EEG")] == ["filter"]
    assert {stream.name for stream in graph.external} == {"EEG", "clean@classify", "fb@classify", "EEG@classify"}


def test_a_node_can_be_tried_out_before_its_streams_are_there() -> None:
    node = {"inputs": [{"stream": "later", "channels": 2, "rate": 10}], "simulate_input": True}
    stream = graph_of({"a": node}).streams["later@a"]
    assert (stream.channels, stream.rate, stream.dtype) == (2, 10, "float32")
    assert [p.code for p in problems_of({"a": {**node, "inputs": ["later"]}})] == ["G201"]


def test_simulated_replaces_what_is_external() -> None:
    marks = {"from": {"lsl": {"name": "M"}}, "channels": 1, "rate": 0, "dtype": "int32"}
    sine = {"from": {"simulate": {"kind": "sine"}}, "channels": 1, "rate": 5}
    bare = {"from": {"lsl": {"name": "B"}}}
    inputs = ["M", "S", {"stream": "B", "channels": 3, "rate": 100, "dtype": "int16"}]
    graph = simulated(graph_of({"a": {"inputs": inputs}}, M=marks, S=sine, B=bare))
    kinds = {s.name: s.source.source.simulate.kind for s in graph.external if s.source and s.source.source.simulate}
    assert kinds == {"M": "random", "S": "sine", "B": "random"}
    facts = {s.name: (s.channels, s.rate, s.dtype) for s in graph.external}
    assert facts == {"M": (1, 0, "int32"), "S": (1, 5, "float32"), "B": (3, 100, "int16")}
    assert not any(stream.live for stream in graph.external)


def test_what_cannot_be_simulated_is_refused() -> None:
    text = {"from": {"lsl": {"name": "M"}}, "channels": 1, "rate": 0, "dtype": "string"}
    graph = graph_of({"a": {"inputs": ["M", "B"]}}, M=text, B={"from": {"lsl": {"name": "B"}}})
    with pytest.raises(GraphInvalid) as invalid:
        simulated(graph)
    assert [(p.code, p.json_path) for p in invalid.value.problems] == [
        ("G306", "$.streams.B"),
        ("G307", "$.streams.M.dtype"),
    ]


@dataclass(frozen=True)
class Found:
    channels: int = 4
    rate: float = 250.0
    dtype: str = "float32"
    channel_names: tuple[str, ...] = ()
    unit: str | None = None


def test_formats_that_were_found_are_checked_along_the_edges() -> None:
    nodes = {"a": {"inputs": [{"stream": "E", "pick": ["C3"]}], "trigger": {"stream": "E", "every": 300}}}
    graph = graph_of(nodes, E={"from": {"lsl": {"name": "E"}}})
    good = with_formats(graph, {"E": Found(rate=500.0, channels=1, channel_names=("C3",))})
    assert good.streams["E"].rate == 500
    assert graph.streams["E"].rate is None
    with pytest.raises(GraphInvalid) as invalid:
        with_formats(graph, {"E": Found(channel_names=("Fz", "Cz", "Pz", "Oz"))})
    assert sorted(p.code for p in invalid.value.problems) == ["G304", "G404"]


def test_formats_that_fit_are_taken_over() -> None:
    graph = graph_of({"a": {"inputs": ["E"]}}, E={"from": {"lsl": {"name": "E"}}, "unit": "uV"})
    stream = with_formats(graph, {"E": Found(channel_names=("", "b", "c", "d"))}).streams["E"]
    assert (stream.channels, stream.rate, stream.dtype, stream.unit) == (4, 250, "float32", "uV")
    assert stream.channel_names == ("", "b", "c", "d")


def test_parameters_are_set_by_name() -> None:
    params = {"x": {"type": "float", "value": 1, "min": 0, "max": 5}, "on": False, "names": ["a"]}
    graph = graph_of({"a": {"params": params}})
    changed = with_params(graph, {"a.x": 2, "a.on": True})
    values = {name: param.value for name, param in changed.params_of("a").items()}
    assert values == {"x": 2.0, "on": True, "names": ["a"]}
    assert changed.document.nodes["a"] == changed.nodes["a"]
    assert graph.params_of("a")["x"].value == 1
    assert with_params(changed, {"a.x": 3}).params_of("a")["x"].max == 5


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"a.x": 9}, ParamRefused, "a.x"),
        ({"a.x": "1"}, ParamRefused, "a.x"),
        ({"b.x": 1}, UsageError, 'no node "b"'),
        ({"a.y": 1}, UsageError, 'no parameter "y"'),
        ({"a": 1}, UsageError, "node.param"),
    ],
)
def test_parameters_that_cannot_be_set(values: dict[str, Any], error: type[Exception], words: str) -> None:
    graph = graph_of({"a": {"params": {"x": {"type": "float", "value": 1, "max": 5}}}})
    with pytest.raises(error, match=re.escape(words)) as refused:
        with_params(graph, values)
    assert getattr(refused.value, "exit_code", None) == ExitCode.USAGE


def test_settings_of_a_command_line() -> None:
    params = {
        "x": 1.5,
        "n": 2,
        "on": False,
        "s": "a",
        "l": [1],
        "c": {"type": "choice", "value": 1, "choices": [1, "b"]},
    }
    nodes = graph_of({"a": {"params": params}}).nodes
    settings = ["a.x=2", "a.n=3", "a.on=yes", "a.s=1=2", "a.l=[1,[2]]", "a.c=b"]
    assert parse_settings(nodes, settings) == {
        "a.x": 2.0, "a.n": 3, "a.on": True, "a.s": "1=2", "a.l": [1, [2]], "a.c": "b",
    }  # fmt: skip
    for wrong in ("a.n=1.5", "a.on=2", "a.l=[", "a.c=d", "a.x=nan"):
        with pytest.raises(ParamRefused):
            parse_settings(nodes, [wrong])
    with pytest.raises(UsageError, match=r"node\.param=value"):
        parse_settings(nodes, ["a.x"])


def test_a_graph_survives_pickling() -> None:
    graph = graph_of(loop_graph(), EEG=LSL_EEG)
    assert graph.order
    copy = pickle.loads(pickle.dumps(graph))
    assert copy.document == graph.document
    assert copy.edges == graph.edges
    assert copy.streams == graph.streams
    assert copy.levels == graph.levels
    assert copy.warnings == graph.warnings


def test_problems_survive_pickling() -> None:
    with pytest.raises(GraphInvalid) as invalid:
        graph_from_dict(document({"a": {"inputs": ["x"]}}), "/", check_scripts=False)
    copy = pickle.loads(pickle.dumps(invalid.value))
    assert copy.problems == invalid.value.problems
    assert str(copy) == str(invalid.value)


@pytest.mark.parametrize("path", sorted(GRAPHS.glob("*/*.json")), ids=lambda path: path.stem)
def test_the_examples_are_valid_and_without_warnings(path: Path) -> None:
    assert load_graph(path).warnings == ()
