"""A graph as a Mermaid flowchart, as Markdown renderers draw it."""

from __future__ import annotations

from rena_graph.graph.draw.picture import Box, picture_of
from rena_graph.graph.model import Graph

__all__ = ["draw_mermaid"]

_SHAPES = {"source": ("([", "])"), "node": ("[", "]"), "sink": ("{{", "}}")}
_STYLES = (
    "classDef source fill:#e8f1fb,stroke:#3b78b8,color:#123",
    "classDef node fill:#fff,stroke:#444,color:#123",
    "classDef sink fill:#eaf6ec,stroke:#3d8b4f,color:#123",
)


def draw_mermaid(graph: Graph) -> str:
    """The graph as the text of a Mermaid flowchart; dotted arrows are delayed."""
    picture = picture_of(graph)
    lines = ["flowchart LR", *(f"    {_box(box)}" for box in picture.boxes)]
    for arrow in picture.arrows:
        label = _text((arrow.name, arrow.format))
        line = f'-. "{label}" .->' if arrow.delayed else f'-- "{label}" -->'
        lines.append(f"    {arrow.start} {line} {arrow.end}")
    lines += [f"    {style}" for style in _STYLES]
    return "\n".join(lines) + "\n"


def _box(box: Box) -> str:
    opening, closing = _SHAPES[box.kind]
    return f'{box.id}{opening}"{_text((box.title, *box.lines))}"{closing}:::{box.kind}'


def _text(lines: tuple[str, ...]) -> str:
    return "<br/>".join("".join(_character(c) for c in line) for line in lines)


def _character(c: str) -> str:
    # Mermaid's entity codes; everything that its grammar, its Markdown or HTML could take for its own.
    return f"#{ord(c)};" if c in '"#&<>`*\\;' or not c.isprintable() else c
