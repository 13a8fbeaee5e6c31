"""What the folder of broken graphs leaves open: where checks end, and what they let pass."""

from __future__ import annotations

from typing import Any

import pytest

from tests.graph.documents import LSL_EEG, problems_of

ONE: dict[str, Any] = {"channels": 1, "to": {"lsl": {}}}
SIM = {"from": {"simulate": {}}, "channels": 4, "rate": 100}


def codes(nodes: dict[str, Any], **streams: Any) -> list[str]:
    return sorted(problem.code for problem in problems_of(nodes, **streams))


def taking(input_: Any, **node: Any) -> dict[str, Any]:
    return {"a": {"inputs": [input_], **node}}


@pytest.mark.parametrize(
    ("expected", "fits"),
    [
        ({"channels": 4, "rate": 250, "dtype": "float32", "unit": "uV"}, True),
        ({"rate": 250.1}, True),
        ({"rate": 251}, False),
        ({"unit": "µV"}, True),
        ({"unit": "μV"}, True),
        ({"unit": "microvolts"}, True),
        ({"unit": "uv"}, True),
        ({"unit": "mV"}, False),
        ({"pick": ["Cz", "C3"]}, True),
    ],
)
def test_what_an_input_expects(expected: dict[str, Any], fits: bool) -> None:
    assert codes(taking({"stream": "EEG", **expected}), EEG=LSL_EEG) == ([] if fits else ["G301"])


def test_what_only_the_outside_knows_is_not_held_against_anybody() -> None:
    wants = {"stream": "L", "channels": 4, "rate": 250, "dtype": "int16", "unit": "V", "pick": ["x"], "gaps": "nan"}
    wants["dtype"] = "float32"
    assert codes(taking(wants), L={"from": {"lsl": {"name": "L"}}}) == []


def test_one_message_names_all_differences_of_an_edge() -> None:
    wants = {"stream": "x", "channels": 2, "rate": 0, "dtype": "int8", "unit": "mV"}
    nodes = {
        "make": {"inputs": ["EEG"], "outputs": {"x": {"channels": 1, "rate": 1000, "unit": "V"}}},
        **taking(wants),
    }
    (problem,) = problems_of(nodes, EEG=LSL_EEG)
    assert problem.message == (
        'a expects 2 channels at an irregular rate as int8 in mV, gets 1 at 1 kHz as float32 in V from make ("x")'
    )


def test_windows_end_where_the_specification_says() -> None:
    every = {"stream": "EEG", "every": 25}
    assert codes(taking("EEG", buffer_duration=0.1, trigger=every), EEG=LSL_EEG) == []
    assert codes(taking("EEG", buffer_duration=0.099, trigger=every), EEG=LSL_EEG) == []  # ceil(24.75)
    assert codes(taking("EEG", buffer_duration=0.096, trigger=every), EEG=LSL_EEG) == ["G404"]
    irregular = {**LSL_EEG, "rate": 0}
    assert codes(taking({"stream": "EEG", "max_samples": 24}, trigger=every), EEG=irregular) == ["G404"]
    assert codes(taking({"stream": "EEG", "max_samples": 25}, trigger=every), EEG=irregular) == []


def test_blocks_at_exactly_their_rate_are_fine() -> None:
    trigger = {"stream": "EEG", "every": 3}
    assert codes(taking("EEG", run_frequency=250 / 3, trigger=trigger), EEG=LSL_EEG) == []


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rena_graph.graph.checks.rates._cores", lambda: 2)


@pytest.mark.usefixtures("two_cores")
def test_loops_together_may_not_need_more_than_the_machine_has() -> None:
    half = {"run_frequency": 50, "loop_time": 0.01, "inputs": ["EEG"]}
    assert "G454" not in codes({f"n{i}": half for i in range(4)}, EEG=LSL_EEG)
    assert "G454" in codes({f"n{i}": half for i in range(5)}, EEG=LSL_EEG)
    away = {**half, "placement": {"host": "10.0.0.2"}}
    assert "G454" not in codes({**{f"n{i}": half for i in range(4)}, "away": away}, EEG=LSL_EEG)
    # One script never takes more than one processor, however much it would like to.
    greedy = {**half, "loop_time": 10.0}
    assert "G454" not in codes({"a": greedy, "b": greedy}, EEG=LSL_EEG)


@pytest.mark.usefixtures("two_cores")
def test_so_many_loops_that_starting_them_is_too_much() -> None:
    fast = {"run_frequency": 1000, "inputs": ["EEG"]}
    assert "G456" not in codes({f"n{i}": fast for i in range(13)}, EEG=LSL_EEG)
    (problem,) = [p for p in problems_of({f"n{i}": fast for i in range(14)}, EEG=LSL_EEG) if p.code == "G456"]
    assert problem.found == "14,000 loops a second of 14 nodes"
    assert problem.allowed == "about 13,333 on 2 processors"
    on_data = {**fast, "trigger": "data"}
    assert "G456" not in codes({f"n{i}": on_data for i in range(14)}, EEG=LSL_EEG), "a ceiling is not a rate"


def test_a_loop_that_fits_exactly_fits() -> None:
    assert codes({"a": {"run_frequency": 50, "loop_time": 0.02, "inputs": ["EEG"]}}, EEG=LSL_EEG) == []
    block = {"trigger": {"stream": "EEG", "every": 10}, "inputs": ["EEG"]}
    assert codes({"a": {**block, "loop_time": 0.04}}, EEG=LSL_EEG) == []
    (problem,) = problems_of({"a": {**block, "loop_time": 0.05}}, EEG=LSL_EEG)
    assert problem.code == "G455"
    assert problem.allowed == "at most 0.04 s, or 20 Hz"


def test_blocking_is_for_what_can_wait() -> None:
    block = {"stream": "x", "policy": "block"}
    chain: dict[str, Any] = {"a": {"inputs": ["S"], "outputs": {"x": {"channels": 1}}}, "b": {"inputs": [block]}}
    recording = {"from": {"recording": {"path": "r.xdf"}}}
    assert codes(chain, S=SIM) == []
    assert codes(chain, S=recording) == []
    assert codes(chain, S=LSL_EEG) == ["G407"]
    simulated = {**chain, "a": {**chain["a"], "simulate_input": True}}
    assert codes(simulated, S=LSL_EEG) == ["G252"]


def test_blocking_behind_a_delayed_edge_is_behind_its_source() -> None:
    nodes = {
        "a": {"inputs": [{"stream": "S", "delayed": True}], "outputs": {"x": {"channels": 1}}},
        "b": {"inputs": [{"stream": "x", "policy": "block"}]},
    }
    assert codes(nodes, S=LSL_EEG) == ["G407"]


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost", "127.0.0.1", True),
        ("*", "127.0.0.1", True),
        ("192.0.2.1", "0.0.0.0", True),
        ("192.0.2.1", "127.0.0.1", False),
    ],
)
def test_addresses_that_overlap(first: str, second: str, clash: bool) -> None:
    outputs = {
        name: {"channels": 1, "to": {"zmq": {"port": 5560, "bind": bind}}}
        for name, bind in (("x", first), ("y", second))
    }
    assert codes({"a": {"outputs": outputs}}) == (["G601"] if clash else [])


def test_many_sources_of_one_publisher_are_fine() -> None:
    zmq = {"from": {"zmq": {"port": 5556}}, "channels": 1, "rate": 1, "dtype": "int8"}
    assert codes({"a": {"inputs": ["x", "y"]}}, x=zmq, y=zmq) == []


def test_one_stream_twice_under_two_names_is_fine() -> None:
    inputs = [{"stream": "EEG", "pick": ["C3"]}, {"stream": "EEG", "as": "other", "pick": ["C4"]}]
    assert codes({"a": {"inputs": inputs}}, EEG=LSL_EEG) == []


def test_a_cycle_that_is_delayed_somewhere_is_fine() -> None:
    nodes = {
        "a": {"inputs": ["y"], "outputs": {"x": ONE}},
        "b": {"inputs": [{"stream": "x", "delayed": True}], "outputs": {"y": ONE}},
        "c": {"inputs": [{"stream": "z", "delayed": True}], "outputs": {"z": ONE}},
    }
    assert codes(nodes) == []


def test_a_long_cycle_is_printed_short() -> None:
    nodes = {f"n{i}": {"inputs": [f"s{i}"], "outputs": {f"s{(i + 1) % 40}": {"channels": 1}}} for i in range(40)}
    (problem,) = problems_of(nodes)
    assert problem.message == ("a cycle: n0 → n1 → n2 → n3 → n4 → n5 → n6 → n7 → n8 → … (30 more) … → n39 → n0")


def test_a_broken_part_makes_no_noise_elsewhere() -> None:
    nodes = {
        "a": {"inputs": ["EEG"], "outputs": {"x": {"channels": "3"}}, "run_frequency": -1},
        "b": {"inputs": [{"stream": "x", "channels": 3}, "Gone"], "outputs": {"y": {"channels": 1}}},
    }
    found = problems_of(nodes, EEG={**LSL_EEG, "rate": -1}, Gone={"from": {}})
    assert sorted((p.code, p.json_path) for p in found) == [
        ("G103", "$.nodes.a.outputs.x.channels"),
        ("G105", "$.nodes.a.run_frequency"),
        ("G105", "$.streams.EEG.rate"),
        ("G107", "$.streams.Gone.from"),
    ]


def test_names_that_would_turn_a_terminal_around() -> None:
    found = problems_of({"a": {"outputs": {"x\u202ey": ONE, "e\x1b[2J": ONE}}})
    assert [(p.code, p.json_path) for p in found] == [
        ("G106", "$.nodes.a.outputs['x\\u202ey']"),
        ("G106", "$.nodes.a.outputs['e\\u001b[2J']"),
    ]
    assert all(line.isprintable() for p in found for line in str(p).split("\n"))
