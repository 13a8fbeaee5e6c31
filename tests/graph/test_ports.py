"""Ports of the graph that somebody else holds, found by binding them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rena_graph.errors import GraphInvalid
from rena_graph.graph.load import load_graph, ports_in_use
from tests.graph.documents import document, graph_of


def publishing(port: int, bind: str = "127.0.0.1") -> dict[str, Any]:
    return {"a": {"outputs": {"x": {"channels": 1, "to": {"zmq": {"port": port, "bind": bind}}}}}}


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("bind", ["127.0.0.1", "localhost", "*"])
def test_a_port_in_use(taken: int, bind: str) -> None:
    (problem,) = ports_in_use(graph_of(publishing(taken, bind)))
    assert (problem.code, problem.found) == ("G602", str(taken))
    assert problem.json_path == "$.nodes.a.outputs.x.to.zmq.port"


def test_free_ports_stay_free(free: int) -> None:
    graph = graph_of(publishing(free))
    assert ports_in_use(graph) == ()
    assert ports_in_use(graph) == ()
    with socket.create_server(("127.0.0.1", free)):
        pass


def test_an_address_of_another_machine(free: int) -> None:
    (problem,) = ports_in_use(graph_of(publishing(free, "192.0.2.1")))  # an address kept for documentation
    assert problem.code == "G603"
    assert problem.hint == "bind an address of this machine, 127.0.0.1, or * for all"


def test_ports_have_their_place_in_the_text_and_are_tried_only_when_asked(taken: int, tmp_path: Path) -> None:
    path = tmp_path / "graph.json"
    text = json.dumps(document(publishing(taken)), indent=1)
    path.write_text(text)
    line = text.split('"port"')[0].count("\n") + 1
    graph = load_graph(path, check_scripts=False)
    assert [problem.line for problem in ports_in_use(graph)] == [line]
    with pytest.raises(GraphInvalid) as invalid:
        load_graph(path, check_scripts=False, check_ports=True)
    assert [(problem.code, problem.line) for problem in invalid.value.problems] == [("G602", line)]
