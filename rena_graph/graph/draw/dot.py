"""A graph in Graphviz's DOT language."""

from __future__ import annotations

from rena_graph.graph.draw.picture import picture_of
from rena_graph.graph.model import Graph

__all__ = ["draw_dot"]

_STYLES = {
    "source": 'shape=box, style="rounded,filled", fillcolor="#e8f1fb", color="#3b78b8"',
    "node": 'shape=box, style="filled", fillcolor="#ffffff", color="#444444"',
    "sink": 'shape=cds, style="filled", fillcolor="#eaf6ec", color="#3d8b4f"',
}


def draw_dot(graph: Graph) -> str:
    """The graph as a DOT digraph; dashed arrows are delayed, and do not pull their ends into an order."""
    picture = picture_of(graph)
    lines = [
        f"digraph {_quoted((picture.title,))} {{",
        "    rankdir=LR;",
        '    node [fontname="Helvetica", fontsize=11];',
        '    edge [fontname="Helvetica", fontsize=9];',
    ]
    for box in picture.boxes:
        lines.append(f"    {box.id} [label={_quoted((box.title, *box.lines))}, {_STYLES[box.kind]}];")
    for arrow in picture.arrows:
        extra = ", style=dashed, constraint=false" if arrow.delayed else ""
        lines.append(f"    {arrow.start} -> {arrow.end} [label={_quoted((arrow.name, arrow.format))}{extra}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(lines: tuple[str, ...]) -> str:
    plain = ("".join(c if c.isprintable() else "�" for c in line) for line in lines)
    return '"' + "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in plain) + '"'
