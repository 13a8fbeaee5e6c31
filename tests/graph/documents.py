"""Documents that tests of the graph start from, and hypothesis strategies for valid ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from rena_graph.errors import GraphInvalid
from rena_graph.graph.load import graph_from_dict
from rena_graph.graph.model import Graph
from rena_graph.graph.problems import Problem

LSL_EEG = {
    "from": {"lsl": {"name": "BioSemi"}}, "channels": 4, "rate": 250, "dtype": "float32",
    "channel_names": ["C3", "C4", "Cz", "Pz"], "unit": "uV",
}  # fmt: skip


def document(nodes: dict[str, Any], **streams: Any) -> dict[str, Any]:
    """A document of these nodes and streams; nodes without a script get one that is not looked at."""
    nodes = {name: {"script": f"{name}.py", **node} for name, node in nodes.items()}
    return {"version": 1, "name": "g", "streams": streams, "nodes": nodes}


def graph_of(nodes: dict[str, Any], **streams: Any) -> Graph:
    """The graph of :func:`document`, its scripts unchecked."""
    return graph_from_dict(document(nodes, **streams), Path("/"), check_scripts=False)


def problems_of(nodes: dict[str, Any], **streams: Any) -> list[Problem]:
    """What is wrong with :func:`document`: errors, or warnings where it is valid."""
    try:
        return list(graph_of(nodes, **streams).warnings)
    except GraphInvalid as invalid:
        return list(invalid.problems)


# What turns the direction of writing is not for names.
_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters=_TURNING),
    min_size=1,
    max_size=12,
)
NODE_NAMES = st.from_regex(r"[A-Za-z_é][A-Za-z0-9_é-]{0,8}", fullmatch=True)
DTYPES = st.sampled_from(["int8", "int16", "int32", "int64", "float32", "float64"])
RATES = st.one_of(st.just(0), st.floats(0.5, 5000), st.integers(1, 5000))
PARAMS = st.one_of(
    st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text(
        st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8),
    st.lists(st.one_of(st.integers(-9, 9), st.lists(st.booleans(), max_size=2)), max_size=3),
)  # fmt: skip


@st.composite
def sources(draw: st.DrawFn) -> dict[str, Any]:
    """The ``from`` of an external stream."""
    kind = draw(st.sampled_from(["lsl", "zmq", "simulate"]))
    if kind == "lsl":
        return {"lsl": {draw(st.sampled_from(["type", "source_id"])): draw(NAMES)}}
    if kind == "zmq":
        clock = draw(st.sampled_from(["lsl", "unix", "arrival"]))
        return {"zmq": {"host": "127.0.0.1", "port": draw(st.integers(1, 65535)), "clock": clock}}
    return {"simulate": {"kind": draw(st.sampled_from(["random", "sine", "counter"]))}}


@st.composite
def valid_documents(draw: st.DrawFn) -> dict[str, Any]:
    """Documents that are valid but for their scripts, which are not there."""
    streams: dict[str, Any] = {}
    for name in draw(st.lists(NAMES, max_size=4, unique=True)):
        channels = draw(st.integers(1, 8))
        streams[name] = {"from": draw(sources()), "channels": channels, "rate": draw(RATES), "dtype": draw(DTYPES)}
        if draw(st.booleans()):
            streams[name]["channel_names"] = [f"c{i}" for i in range(channels)]
    known = list(streams)
    nodes: dict[str, Any] = {}
    for name in draw(st.lists(NODE_NAMES, min_size=1, max_size=5, unique=True)):
        node: dict[str, Any] = {"script": "script.py", "buffer_duration": draw(st.floats(0.1, 10))}
        taken = draw(st.lists(st.sampled_from(known), max_size=3, unique=True)) if known else []
        node["inputs"] = [
            draw(st.sampled_from([stream, {"stream": stream}, {"stream": stream, "as": f"as {i} {name}"}]))
            for i, stream in enumerate(taken)
        ]
        made = [o for o in draw(st.lists(NAMES, max_size=2, unique=True)) if o not in known and "@" not in o]
        node["outputs"] = {o: {"channels": draw(st.integers(1, 8)), "rate": draw(RATES)} for o in made}
        known += made
        node["params"] = draw(st.dictionaries(NAMES, PARAMS, max_size=3))
        nodes[name] = node
    return {"version": 1, "name": "g", "streams": streams, "nodes": nodes}
