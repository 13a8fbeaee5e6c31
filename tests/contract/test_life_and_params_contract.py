"""The contract's first and fourth section, as far as they hold without a running graph."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rena_graph.errors import ParamRefused, ScriptLoadError
from rena_graph.graph.document import ParamDef
from rena_graph.script import RenaScript
from rena_graph.streams.params import ParamChanges
from rena_graph.streams.spec import StreamSpec
from tests.contract.one_node import EEG, Node


class AddX(RenaScript):
    """The documentation's own example."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept = "set in __init__"

    def loop(self) -> None:
        if "EEG" in self.inputs:
            self.outputs["added"] = self.inputs.new("EEG")[0] + self.params["x"]


def desk() -> Node:
    return Node(AddX, outputs=[StreamSpec("added", 3, "float32", 10.0)], params={"x": 1.0, "verbose": False})


def test_class_attributes_set_in_init_are_kept() -> None:
    assert desk().script.kept == "set in __init__"  # type: ignore[attr-defined]


def test_class_init_and_cleanup_may_be_left_out() -> None:
    script = desk().script
    script.init()
    script.cleanup()


def test_class_made_without_a_node_says_so() -> None:
    with pytest.raises(ScriptLoadError, match=r"AddX was made without a context.*super\(\).__init__"):
        AddX()


def test_loop_runs_whether_or_not_data_came() -> None:
    node = desk()
    node.loop()
    assert node.sent == {}
    node.count(2)
    node.loop()
    assert node.sent["added"][0][0][:, 0].tolist() == [1, 2]


def test_loop_info_tells_which_loop_it_is() -> None:
    node = desk()
    info = node.script.loop_info
    assert info.number == -1
    node.loop()
    assert (info.number, info.started) == (0, 1000.0)
    assert math.isnan(info.previous)
    node.now = 1000.5
    node.loop()
    assert (info.number, info.started, info.previous) == (1, 1000.5, 1000.0)


def test_params_are_seen_by_the_next_loop_all_together() -> None:
    node = desk()
    node.count(1)
    node.loop()
    node.params.apply({"x": 5.0}, {"verbose": True}, {"x": 7.0})
    assert node.script.params == {"x": 7.0, "verbose": True}
    node.count(1, first=1)
    node.loop()
    assert [chunk[0][0, 0] for chunk in node.sent["added"]] == [1, 8]


@pytest.mark.parametrize("value", ["a", None, True, float("nan")])
def test_params_of_a_wrong_type_are_refused_and_change_nothing(value: object) -> None:
    node = desk()
    with pytest.raises(ParamRefused, match=r"^parameter 'x': expected a"):
        node.params.apply({"verbose": True, "x": value})
    assert node.script.params == {"x": 1.0, "verbose": False}


def test_params_out_of_range_are_refused_and_change_nothing() -> None:
    bounded = ParamDef.model_validate({"type": "float", "value": 0.5, "min": 0.0, "max": 5.0})
    node = Node(inputs=[EEG], params={"threshold": bounded})
    with pytest.raises(ParamRefused, match=r"'threshold': 6\.0 is greater than its maximum, 5"):
        node.params.apply({"threshold": 6})
    assert node.script.params["threshold"] == 0.5


def test_params_may_nest_lists() -> None:
    node = Node(params={"bands": [[0.5, 4.0], [4, 8, ["alpha", True]]]})
    assert node.script.params["bands"] == [[0.5, 4.0], [4, 8, ["alpha", True]]]
    node.params.apply({"bands": []})
    assert node.script.params["bands"] == []


def test_params_are_added_and_removed_live() -> None:
    node = desk()
    node.params.apply(ParamChanges(add={"gain": 2}, remove=("verbose",)))
    assert node.script.params == {"x": 1.0, "gain": 2}
    node.params.apply({"gain": 3})
    assert node.script.params["gain"] == 3
