"""Drawings: everything is in them, whatever the names, and nothing overlaps."""

from __future__ import annotations

import itertools
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.graph.draw import FORMATS, draw_dot, draw_mermaid, draw_svg, draw_text
from rena_graph.graph.draw.layout import GAP, Slot, lay_out
from rena_graph.graph.draw.picture import picture_of
from rena_graph.graph.model import Graph
from tests.graph.documents import LSL_EEG, NAMES, graph_of

SVG = "{http://www.w3.org/2000/svg}"


def loop(eeg: str = "EEG", fb: str = "fb", script: str = "f.py") -> Graph:
    nodes: dict[str, Any] = {
        "filter": {
            "script": script, "trigger": "data", "run_frequency": 250, "inputs": [eeg],
            "outputs": {"clean": {"channels": 4, "rate": 250}, "spare": {"channels": 1}},
        },
        "classify": {
            "inputs": ["clean", {"stream": fb, "delayed": True}], "trigger": {"stream": "clean", "every": 25},
            "outputs": {"class": {"channels": 3}},
        },
        "feedback": {
            "inputs": ["class", eeg, "Rec"],
            "outputs": {fb: {"channels": 1, "rate": 60, "to": {"lsl": {"type": "F"}, "zmq": {"port": 5560}}}},
        },
    }  # fmt: skip
    recording = {"from": {"recording": {"path": "r.xdf", "speed": 2, "loop": True}}}
    return graph_of(nodes, **{eeg: LSL_EEG, "Rec": recording, "Idle": recording})


def test_text() -> None:
    assert (
        draw_text(loop())
        == """\
g: 3 nodes, 7 streams

level 1
  filter   f.py   on data, at most 250 Hz, window 1 s
    ◀ EEG    4 ch · 250 Hz · float32 · uV  from LSL BioSemi
    ▶ clean  4 ch · 250 Hz · float32       to classify
    ▶ spare  1 ch · irregular · float32    to nobody

level 2
  classify   classify.py   every 25 samples of clean, window 1 s
    ◀ clean  4 ch · 250 Hz · float32       from filter
    ◀ fb     1 ch · 60 Hz · float32        from feedback (delayed)
    ▶ class  3 ch · irregular · float32    to feedback

level 3
  feedback   feedback.py   60 Hz, window 1 s
    ◀ class  3 ch · irregular · float32    from classify
    ◀ EEG    4 ch · 250 Hz · float32 · uV  from LSL BioSemi
    ◀ Rec    format as found               from recording r.xdf, 2 × speed, looped
    ▶ fb     1 ch · 60 Hz · float32        to classify (delayed), LSL fb (F), ZMQ 127.0.0.1:5560

not taken by any node
      Idle   format as found               recording r.xdf, 2 × speed, looped
"""
    )


def test_mermaid() -> None:
    lines = draw_mermaid(loop()).splitlines()
    assert lines[0] == "flowchart LR"
    assert '    s0(["EEG<br/>LSL BioSemi"]):::source' in lines
    assert '    n0["filter<br/>f.py<br/>on data, at most 250 Hz<br/>spare (not used)"]:::node' in lines
    assert '    n0 -- "clean<br/>4 ch · 250 Hz · float32" --> n1' in lines
    assert '    n2 -. "fb<br/>1 ch · 60 Hz · float32" .-> n1' in lines


def test_dot() -> None:
    text = draw_dot(loop(eeg='a"b\\c', script="x\\n.py"))
    assert 's0 [label="a\\"b\\\\c\\nLSL BioSemi"' in text
    assert 'label="filter\\nx\\\\n.py\\non data' in text
    assert re.search(r'n2 -> n1 \[label="fb\\n.*", style=dashed, constraint=false\];', text)


def _quotes_are_paired(text: str) -> bool:
    return all(len(re.findall(r'(?<!\\)(?:\\\\)*"', line)) % 2 == 0 for line in text.splitlines())


@given(NAMES.filter(lambda name: name not in ("clean", "class", "spare", "fb", "Rec", "Idle")), NAMES)
def test_names_cannot_break_out(name: str, script: str) -> None:
    graph = loop(eeg=name, script=script)
    root = ElementTree.fromstring(draw_svg(graph))
    titles = [element.text or "" for element in root.iter(f"{SVG}title")]
    shown = "".join(c if c.isprintable() else "\ufffd" for c in name)
    assert any(title == f"{shown}\nLSL BioSemi" for title in titles)
    assert _quotes_are_paired(draw_dot(graph))
    for line in draw_mermaid(graph).splitlines():
        assert line.count('"') in (0, 2)
        assert line.isprintable()
    assert all(line.isprintable() for line in draw_text(graph).split("\n"))


def test_svg_has_every_box_and_arrow() -> None:
    graph = loop()
    root = ElementTree.fromstring(draw_svg(graph))
    picture = picture_of(graph)
    groups = [g.get("class") for g in root.iter(f"{SVG}g")]
    assert groups.count("node") == 3
    assert groups.count("source") == 3
    assert groups.count("sink") == 2
    paths = [p.get("class") for p in root.iter(f"{SVG}path") if p.get("class")]
    assert len(paths) == len(picture.arrows) == 8
    assert paths.count("arrow delayed") == 1
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert "on data, at most 250 Hz" in words
    assert words.count("4 ch · 250 Hz · float32 · uV") == 2


def _rectangles(svg: str) -> list[tuple[float, float, float, float]]:
    boxes = []
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        if group.get("class") in ("source", "node", "sink"):
            rect = group.find(f"{SVG}rect")
            assert rect is not None
            x, y, width, height = (float(rect.get(key, "nan")) for key in ("x", "y", "width", "height"))
            boxes.append((x, y, x + width, y + height))
    return boxes


@st.composite
def random_graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(1, 9))
    nodes: dict[str, Any] = {}
    for i in range(count):
        before = draw(st.sets(st.integers(0, max(0, i - 1)), max_size=3)) if i else set()
        later = draw(st.sets(st.integers(i, count - 1), max_size=1))
        inputs = [f"s{k}" for k in sorted(before)] + [{"stream": f"s{k}", "delayed": True} for k in sorted(later)]
        if draw(st.booleans()):
            inputs.append("EEG")
        nodes[f"n{i}"] = {"inputs": inputs, "outputs": {f"s{i}": {"channels": 1, "to": draw(
            st.sampled_from([{}, {"lsl": {}}, {"lsl": {}, "zmq": {"port": 6000 + i}}]))}}}  # fmt: skip
    return graph_of(nodes, EEG=LSL_EEG)


@given(random_graphs())
def test_boxes_do_not_overlap_and_lie_inside(graph: Graph) -> None:
    svg = draw_svg(graph)
    _, _, width, height = map(float, ElementTree.fromstring(svg).get("viewBox", "").split())
    boxes = _rectangles(svg)
    assert len(boxes) == len(picture_of(graph).boxes)
    for left, top, right, bottom in boxes:
        assert left >= 0
        assert top >= 0
        assert right <= width
        assert bottom <= height
    for one, other in itertools.combinations(boxes, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@given(random_graphs())
def test_columns_follow_the_data(graph: Graph) -> None:
    picture = picture_of(graph)
    depth = {node: level for level, nodes in enumerate(graph.levels) for node in nodes}
    levels = {f"n{index}": depth[node] for index, node in enumerate(graph.nodes)}
    layout = lay_out(picture, levels, {box.id: 30.0 for box in picture.boxes})
    for index, arrow in enumerate(picture.arrows):
        start, end = layout.slots[arrow.start].rank, layout.slots[arrow.end].rank
        assert start < end or arrow.delayed
        if start < end:
            assert [slot.rank for slot in layout.ways[index]] == list(range(start, end + 1))
    columns: dict[int, list[Slot]] = {}
    for slot in {id(s): s for s in [*layout.slots.values(), *itertools.chain(*layout.ways.values())]}.values():
        columns.setdefault(slot.rank, []).append(slot)
    for column in columns.values():
        column.sort(key=lambda slot: slot.y)
        for upper, lower in itertools.pairwise(column):
            assert lower.y - upper.y >= (upper.height + lower.height) / 2 + GAP - 1e-6


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_large_graphs_are_drawn(kind: str) -> None:
    count = 1000
    nodes = {
        f"n{i}": {"inputs": [f"s{i - 1}", "EEG"] if i else ["EEG"], "outputs": {f"s{i}": {"channels": 1}}}
        for i in range(count)
    }
    drawing = FORMATS[kind](graph_of(nodes, EEG=LSL_EEG))
    assert f"n{count - 1}" in drawing
