"""Puts boxes into columns along the flow of data, in an order with few crossings, at heights near their neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rena_graph.graph.draw.picture import Picture

__all__ = ["Layout", "Slot", "lay_out"]

GAP = 26.0
"""Free height between two boxes of a column."""
LANE = 30.0
"""Height that an arrow takes where it passes a column."""
MAX_PASSING = 20_000
"""Places where arrows pass columns; beyond, they are drawn straight across."""


@dataclass
class Slot:
    """A box's place in its column, or the place where a long arrow passes one.

    Parameters
    ----------
    rank : int
        The column, from 0 at the left.
    height : float
        What it takes of the column.
    y : float
        Its middle.
    """

    rank: int
    height: float
    y: float = 0.0
    before: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Layout:
    """Where everything is.

    Parameters
    ----------
    slots : dict of str to Slot
        By box.
    ways : dict of int to list of Slot
        For each arrow, by its number, the slots from its start to its end; none for an arrow that runs backwards.
    columns : int
        How many there are.
    height : float
        Of the tallest column.
    """

    slots: dict[str, Slot]
    ways: dict[int, list[Slot]]
    columns: int
    height: float


def lay_out(picture: Picture, levels: Mapping[str, int], heights: Mapping[str, float]) -> Layout:
    """Place the boxes of a picture.

    Parameters
    ----------
    picture : Picture
        What is drawn.
    levels : mapping of str to int
        The depth of each node's box, from 0.
    heights : mapping of str to float
        Of each box.
    """
    ranks = _ranks(picture, levels)
    slots = [Slot(ranks[box.id], heights[box.id]) for box in picture.boxes]
    number = {box.id: index for index, box in enumerate(picture.boxes)}
    ways: dict[int, list[int]] = {}
    room = MAX_PASSING
    for index, arrow in enumerate(picture.arrows):
        first, last = ranks[arrow.start], ranks[arrow.end]
        if first >= last:
            continue
        way = [number[arrow.start]]
        if last - first - 1 <= room:
            room -= last - first - 1
            for rank in range(first + 1, last):
                slots.append(Slot(rank, LANE))
                way.append(len(slots) - 1)
        way.append(number[arrow.end])
        ways[index] = way
        for left, right in itertools.pairwise(way):
            slots[left].after.append(right)
            slots[right].before.append(left)
    columns = _columns(slots)
    _reduce_crossings(slots, columns)
    height = _set_heights(slots, columns)
    boxes = {box.id: slots[number[box.id]] for box in picture.boxes}
    return Layout(boxes, {i: [slots[s] for s in way] for i, way in ways.items()}, len(columns), height)


def _ranks(picture: Picture, levels: Mapping[str, int]) -> dict[str, int]:
    """The column of each box: sources just before their first consumer, sinks just behind their producer."""
    ranks = {box.id: levels[box.id] + 1 for box in picture.boxes if box.kind == "node"}
    sources: dict[str, int] = {}
    for arrow in picture.arrows:
        if arrow.start not in ranks:
            rank = ranks[arrow.end] - 1
            sources[arrow.start] = min(rank, sources.get(arrow.start, rank))
        elif arrow.end not in ranks:
            ranks[arrow.end] = ranks[arrow.start] + 1
    for box in picture.boxes:
        ranks.setdefault(box.id, sources.get(box.id, 0))
    return ranks


def _columns(slots: Sequence[Slot]) -> list[list[int]]:
    columns: list[list[int]] = [[] for _ in range(max((slot.rank for slot in slots), default=-1) + 1)]
    for index, slot in enumerate(slots):
        columns[slot.rank].append(index)
    return columns


def _reduce_crossings(slots: Sequence[Slot], columns: Sequence[list[int]], sweeps: int = 6) -> None:
    """Order each column by the mean place of its neighbours, to and fro."""
    place = {index: i for column in columns for i, index in enumerate(column)}

    def mean(neighbours: Sequence[int], own: int) -> float:
        return sum(place[n] for n in neighbours) / len(neighbours) if neighbours else float(own)

    for sweep in range(sweeps):
        forwards = sweep % 2 == 0
        for column in columns if forwards else reversed(columns):
            key = {i: mean(slots[i].before if forwards else slots[i].after, place[i]) for i in column}
            column.sort(key=key.__getitem__)
            place.update((index, i) for i, index in enumerate(column))


def _set_heights(slots: Sequence[Slot], columns: Sequence[Sequence[int]], rounds: int = 10) -> float:
    """Give each slot its middle, near those of its neighbours; the height of all."""
    for column in columns:
        top = 0.0
        for index in column:
            slots[index].y = top + slots[index].height / 2
            top += slots[index].height + GAP
    for turn in range(rounds):
        for column in columns if turn % 2 == 0 else reversed(columns):
            wanted = [_mean_height(slots, index) for index in column]
            for index, y in zip(column, _apart(wanted, [slots[i].height for i in column]), strict=True):
                slots[index].y = y
    top = min((slot.y - slot.height / 2 for slot in slots), default=0.0)
    for slot in slots:
        slot.y -= top
    return max((slot.y + slot.height / 2 for slot in slots), default=0.0)


def _mean_height(slots: Sequence[Slot], index: int) -> float:
    neighbours = slots[index].before + slots[index].after
    return sum(slots[n].y for n in neighbours) / len(neighbours) if neighbours else slots[index].y


def _apart(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """The middles nearest to those `wanted`, in the same order and without overlap.

    Least squares under an order: neighbours that are too near are pooled, and a pool moves as one.
    """
    offsets = [0.0]
    for above, below in itertools.pairwise(heights):
        offsets.append(offsets[-1] + (above + below) / 2 + GAP)
    pools: list[tuple[float, int]] = []  # mean of the first one's middle, and how many
    for y, offset in zip(wanted, offsets, strict=False):
        mean, count = y - offset, 1
        while pools and pools[-1][0] >= mean:
            other, others = pools.pop()
            mean, count = (mean * count + other * others) / (count + others), count + others
        pools.append((mean, count))
    firsts = [mean for mean, count in pools for _ in range(count)]
    return [first + offset for first, offset in zip(firsts, offsets, strict=False)]
