"""A graph as an SVG picture that stands by itself: no script, no font to load, readable in light and dark."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from xml.sax.saxutils import escape

from rena_graph.graph.draw.layout import Layout, Slot, lay_out
from rena_graph.graph.draw.picture import Arrow, Box, Picture, picture_of
from rena_graph.graph.model import Graph

__all__ = ["draw_svg"]

MARGIN = 28.0
LINE = 17.0
PORT = 40.0
"""Height of an arrow's end at a box: two lines of words stand at it."""
PADDING = 12.0
BEND = 56.0
"""Free width in which arrows bend."""
LANE = 44.0
"""Height between two arrows that run backwards, below the boxes."""
LONGEST = 44
"""Characters of one line of words."""

_STYLE = """
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;font-size:12px;fill:#3c4650}
.title{font-size:13px;font-weight:600;fill:#15202b}
.head{font-size:16px;font-weight:600;fill:#15202b}
.name{font-weight:600;fill:#15202b}
.format{font-size:11px;fill:#5b6770}
.source rect{fill:#e8f1fb;stroke:#3b78b8}
.node rect{fill:#ffffff;stroke:#46525c}
.sink rect{fill:#eaf6ec;stroke:#3d8b4f}
rect{stroke-width:1.4}
.arrow{fill:none;stroke:#6a7782;stroke-width:1.5}
.delayed{stroke-dasharray:6 4;stroke:#a8552a}
.words rect{fill:#fbfcfd;fill-opacity:.85;stroke:none}
"""


def draw_svg(graph: Graph) -> str:
    """The graph as an SVG document, left to right; dashed arrows are delayed."""
    picture = picture_of(graph)
    depth = {node: level for level, nodes in enumerate(graph.levels) for node in nodes}
    levels = {f"n{index}": depth[node] for index, node in enumerate(graph.nodes)}
    return _Drawing(picture, levels).document()


class _Drawing:
    """One picture in the making: sizes, then places, then the elements."""

    def __init__(self, picture: Picture, levels: Mapping[str, int]) -> None:
        self._picture = picture
        self._boxes = {box.id: box for box in picture.boxes}
        self._incoming: dict[str, list[int]] = defaultdict(list)
        self._outgoing: dict[str, list[int]] = defaultdict(list)
        for index, arrow in enumerate(picture.arrows):
            self._outgoing[arrow.start].append(index)
            self._incoming[arrow.end].append(index)
        heights = {box.id: self._height(box) for box in picture.boxes}
        self._layout: Layout = lay_out(picture, levels, heights)
        self._words = [max(_width(_short(a.name), 12.5), _width(_short(a.format), 11)) for a in picture.arrows]
        self._place_columns()
        self._place_ports()

    def _height(self, box: Box) -> float:
        ports = max(len(self._incoming[box.id]), len(self._outgoing[box.id]))
        return max(2 * PADDING + LINE * (1 + len(box.lines)), ports * PORT + 4)

    def _place_columns(self) -> None:
        """The left edge and the width of each column; before it, room for the words of the arrows that end there."""
        count = self._layout.columns
        self._widths = [0.0] * count
        room = [0.0] * count
        for box in self._picture.boxes:
            rank = self._layout.slots[box.id].rank
            longest = max(_width(_short(box.title), 14.5), *(_width(_short(line), 12) for line in box.lines), 0.0)
            self._widths[rank] = max(self._widths[rank], longest + 2 * PADDING)
        for arrow, words in zip(self._picture.arrows, self._words, strict=True):
            rank = self._layout.slots[arrow.end].rank
            room[rank] = max(room[rank], words + BEND + 20)
        self._lefts: list[float] = []
        left = MARGIN
        for rank in range(count):
            left += room[rank] if rank or room[rank] else 0.0
            self._lefts.append(left)
            left += self._widths[rank] + (BEND if rank + 1 < count else 0)
        self._right = left

    def _place_ports(self) -> None:
        """The height at which each arrow leaves and enters its boxes, ordered by where it comes from and goes to."""
        slots, ways = self._layout.slots, self._layout.ways
        self._leaves: dict[int, float] = {}
        self._enters: dict[int, float] = {}

        def beside(index: int, step: int, other: str) -> float:
            # An arrow that runs backwards goes below everything, so its ends are the lowest.
            return ways[index][step].y if index in ways else self._layout.height + slots[other].rank

        for box in self._picture.boxes:
            slot = slots[box.id]
            arrows = self._picture.arrows
            leaving = sorted(self._outgoing[box.id], key=lambda i: beside(i, 1, arrows[i].end))
            entering = sorted(self._incoming[box.id], key=lambda i: beside(i, -2, arrows[i].start))
            for ports, group in ((self._leaves, leaving), (self._enters, entering)):
                for place, index in enumerate(group):
                    ports[index] = slot.y + (place - (len(group) - 1) / 2) * PORT

    def document(self) -> str:
        backwards = [index for index in range(len(self._picture.arrows)) if index not in self._layout.ways]
        top = MARGIN + 30
        bottom = top + self._layout.height + (LANE * len(backwards) + 10 if backwards else 0)
        head = _short(self._picture.title, 80)
        loops = 24 if backwards else 0
        width = max(self._right + MARGIN + loops + 8 * len(backwards), _width(head, 16) + 2 * MARGIN)
        height = bottom + MARGIN
        arrows = [self._arrow(index, backwards) for index in range(len(self._picture.arrows))]
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
                f'width="{width:.0f}" height="{height:.0f}" role="img">',
                f"<title>{_safe(self._picture.title)}</title>",
                f"<style>{_STYLE}</style>",
                f"<defs>{_tip('tip', '#6a7782')}{_tip('delayed-tip', '#a8552a')}</defs>",
                f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fbfcfd" stroke="none"/>',
                f'<text class="head" x="{MARGIN:.0f}" y="{MARGIN + 6:.0f}">{_safe(head)}</text>',
                f'<g transform="translate(0,{top:.0f})">',
                *(line for line, _ in arrows),
                *(self._box(box) for box in self._picture.boxes),
                *(words for _, words in arrows),
                "</g>",
                "</svg>",
                "",
            ]
        )

    def _box(self, box: Box) -> str:
        slot = self._layout.slots[box.id]
        left, width, height = self._lefts[slot.rank], self._widths[slot.rank], self._height(box)
        radius = 5 if box.kind == "node" else 14
        place = f'x="{left:.1f}" y="{slot.y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}"'
        lines = [("title", box.title), *(("", line) for line in box.lines)]
        first = slot.y - (len(lines) - 1) * LINE / 2 + 4.5
        texts = [
            f'<text class="{kind}" x="{left + PADDING:.1f}" y="{first + i * LINE:.1f}">{_safe(_short(line))}</text>'
            for i, (kind, line) in enumerate(lines)
        ]
        full = "\n".join((box.title, *box.lines))
        return f'<g class="{box.kind}"><title>{_safe(full)}</title><rect {place} rx="{radius}"/>{"".join(texts)}</g>'

    def _arrow(self, index: int, backwards: list[int]) -> tuple[str, str]:
        """The line and the words of an arrow; the words stand on its last, straight part."""
        arrow = self._picture.arrows[index]
        start, end = self._layout.slots[arrow.start], self._layout.slots[arrow.end]
        out = (self._lefts[start.rank] + self._widths[start.rank], self._leaves[index])
        into = (self._lefts[end.rank], self._enters[index])
        words_left = into[0] - self._words[index] - 14
        if index in self._layout.ways:
            path = self._forwards(self._layout.ways[index], out, into, words_left)
        else:
            path = self._backwards(backwards.index(index), len(backwards), out, into, words_left)
        kind, tip = ("arrow delayed", "delayed-tip") if arrow.delayed else ("arrow", "tip")
        words = _arrow_words(arrow, words_left + 4, into[1], self._words[index])
        return f'<path class="{kind}" d="{path}" marker-end="url(#{tip})"/>', words

    def _forwards(self, way: list[Slot], out: tuple[float, float], into: tuple[float, float], words_left: float) -> str:
        x, y = out
        parts = [f"M{x:.1f},{y:.1f}"]
        points = [(self._lefts[s.rank], s.y, self._lefts[s.rank] + self._widths[s.rank]) for s in way[1:-1]]
        for left, height, right in [*points, (words_left, into[1], into[0])]:
            middle = (x + left) / 2
            parts.append(f"C{middle:.1f},{y:.1f} {middle:.1f},{height:.1f} {left:.1f},{height:.1f} H{right:.1f}")
            x, y = right, height
        return " ".join(parts)

    def _backwards(
        self, lane: int, lanes: int, out: tuple[float, float], into: tuple[float, float], words_left: float
    ) -> str:
        """Out to the right, below everything to the left, up, and in; the corners round."""
        low = self._layout.height + 24 + lane * LANE
        right = out[0] + 20 + 8 * (lanes - lane)
        left = words_left - 14 - 8 * (lanes - lane)
        r = 8
        return (
            f"M{out[0]:.1f},{out[1]:.1f} H{right - r:.1f} q{r},0 {r},{r} V{low - r:.1f} q0,{r} {-r},{r} "
            f"H{left + r:.1f} q{-r},0 {-r},{-r} V{into[1] + r:.1f} q0,{-r} {r},{-r} H{into[0]:.1f}"
        )


def _arrow_words(arrow: Arrow, left: float, y: float, width: float) -> str:
    """The words above and below a line, each on a ground that dims what crosses it."""
    grounds = (f'<rect x="{left - 2:.1f}" y="{y + at:.1f}" width="{width:.1f}" height="14"/>' for at in (-16, 4))
    return (
        f'<g class="words"><title>{_safe(arrow.name)}: {_safe(arrow.format)}</title>{"".join(grounds)}'
        f'<text class="name" x="{left:.1f}" y="{y - 5:.1f}">{_safe(_short(arrow.name))}</text>'
        f'<text class="format" x="{left:.1f}" y="{y + 14:.1f}">{_safe(_short(arrow.format))}</text></g>'
    )


def _tip(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0,0.5 L8,4 L0,7.5 z" fill="{colour}"/></marker>'
    )


def _short(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _safe(text: str) -> str:
    """Text for XML, which has no place for control characters even when they are escaped."""
    return escape("".join(c if c.isprintable() or c == "\n" else "�" for c in text), {'"': "&quot;"})


def _width(text: str, size: float) -> float:
    """About the width of `text` in a sans-serif font of `size` pixels; rather too wide than too narrow."""
    wide = sum(
        1.0 if unicodedata.east_asian_width(c) in "WF" else 0.7 if c.isupper() or c in "mw@%" else 0.56 for c in text
    )
    return wide * size
