"""Hosts that cannot run a graph together are named before anything starts, each with what is wrong with it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.errors import EnvironmentRefused, ExitCode
from rena_graph.graph.load import graph_from_dict
from rena_graph.graph.model import Graph
from rena_graph.runtime.hosts.fitness import HostFacts, check_hosts, look, problems

SCRIPTS = Path(__file__).parents[2] / "scripts"
LAB = HostFacts("3.11", "2.60.0", "1.0", "a" * 64)
ADDRESSES = {"lab": "10.0.0.1", "gpu": "10.0.0.2", "spare": "10.0.0.3"}


def played() -> Graph:
    streams = {"R": {"from": {"recording": {"path": "not/there.npz"}}, "host": "gpu", "channels": 1}}
    nodes = {"a": {"script": "relay.py", "inputs": ["R"], "environment": "/opt/envs/a"}}
    return graph_from_dict({"version": 1, "name": "g", "streams": streams, "nodes": nodes}, SCRIPTS)


def test_a_host_that_is_the_same_is_fit() -> None:
    assert problems(LAB, "lab", {"gpu": LAB}) == []


def test_all_that_is_wrong_is_said_at_once_with_what_is_wanted() -> None:
    found: dict[str, HostFacts | str] = {
        "gpu": replace(LAB, python="3.12", ray="2.59.0", missing=("/data/r.npz",), unusable=("has no /opt/x",)),
        "old": replace(LAB, rena_graph="0.9", code="b" * 64),
        "dirty": replace(LAB, code="b" * 64),
        "bare": HostFacts("3.11", "2.60.0", None, None),
        "arm": replace(LAB, no_ring="this is arm64"),
        "silent": "it did not answer within 60 s",
    }
    text = "\n".join(problems(LAB, "lab", found))
    assert text.splitlines() == [
        "  gpu has Python 3.12, lab has 3.11; install the same on all hosts",
        "  gpu has ray 2.59.0, lab has 2.60.0; install the same on all hosts",
        "  gpu has no /data/r.npz, which is to be played there; copy it there, or give the stream another host",
        "  gpu has no /opt/x, the environment of a node; make it there, or give the node another host",
        "  old has rena_graph 0.9, lab has 1.0; install the same on all hosts",
        "  dirty has other source files of rena_graph 1.0 than lab (by their hash: bbbbbbbbbbbb, wanted aaaaaaaaaaaa); "
        "install the same on all hosts",
        "  bare has no rena_graph, lab has 1.0; install the same on all hosts",
        "  arm has no shared-memory rings, which a graph of several hosts needs on each: this is arm64",
        "  silent could not be asked: it did not answer within 60 s",
    ]


@given(
    st.builds(
        HostFacts,
        python=st.sampled_from(["3.11", "3.12"]),
        ray=st.sampled_from(["2.60.0", "2.59.0", None]),
        rena_graph=st.sampled_from(["1.0", "1.1", None]),
        code=st.sampled_from(["a" * 64, "b" * 64]),
        no_ring=st.sampled_from([None, "why"]),
        missing=st.sampled_from([(), ("/a",)]),
        unusable=st.sampled_from([(), ("has no /opt/x",)]),
    )
)
def test_whatever_differs_is_a_problem_that_names_the_host(facts: HostFacts) -> None:
    lines = problems(LAB, "lab", {"gpu": facts})
    assert bool(lines) == (facts != LAB)
    assert all(line.startswith("  gpu ") for line in lines)
    assert len(lines) <= len(fields(HostFacts))


def test_only_the_other_hosts_are_asked_and_each_for_its_own_recordings_and_environments() -> None:
    asked = {}

    def ask(addresses: object, needs: object) -> dict[str, HostFacts | str]:
        asked["it"] = addresses, needs
        return {"gpu": "gone", "spare": HostFacts(**look([]))}

    with pytest.raises(EnvironmentRefused) as refused:
        check_hosts(played(), ADDRESSES, "lab", {"R": "gpu"}, {"a": "spare"}, ask=ask)
    assert refused.value.exit_code == ExitCode.ENVIRONMENT
    assert str(refused.value).splitlines()[1:] == ["  gpu could not be asked: gone"]
    others = {"gpu": "10.0.0.2", "spare": "10.0.0.3"}
    assert asked["it"] == (others, {"gpu": ([str(SCRIPTS / "not/there.npz")], []), "spare": ([], ["/opt/envs/a"])})
    asked.clear()
    check_hosts(played(), {"lab": "10.0.0.1"}, "lab", {"R": "lab"}, {"a": "lab"}, ask=ask)
    assert not asked, "a run of one host asks nobody"


def test_what_is_looked_at_is_told_by_a_python_without_us_too(tmp_path: Path) -> None:
    import inspect

    program = f"{inspect.getsource(look)}\nimport json\nprint(json.dumps(look([{str(tmp_path)!r}, {__file__!r}])))"
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"from typing import Any\n{program}"], capture_output=True, check=True
    )
    ours = look([])
    assert json.loads(said.stdout) == {
        "python": ours["python"], "ray": None, "rena_graph": None, "code": None, "no_ring": None,
        "missing": [str(tmp_path)], "unusable": [],
    }  # fmt: skip
    assert ours["ray"] == metadata.version("ray")
    assert len(ours["code"]) == 64
