"""Whether each node keeps its rate, and why not: a pure judgement of what was counted, with hysteresis."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from rena_graph.graph.model import Graph

__all__ = ["Change", "Counts", "Figures", "Keeping", "Verdict", "judge"]

WINDOW = 2.0
"""Seconds that a judgement looks back on; three periods where these are longer."""
TROUBLE_AFTER = 3.0
"""Seconds for which a node has to be short before it is said to be: more than one stall does within the window."""
WELL_AFTER = 3.0
SHORT, WELL = 0.05, 0.02
"""Share of missed ticks above which a node is short, and below which one that was is well again."""
LOOK_EVERY = 0.4
"""Seconds between two looks: somewhat less than between two reports of a host, so that none is passed over."""
BACKLOG = 0.25
"""Seconds of input that may lie unread (three periods where these are longer)."""
REACHED = 0.95
HELD = 0.2
"""Share of the time that a node waits for the readers of its outputs."""
BUSY = 0.8
STARVED = 0.5
"""Share of the time for which a node without a sign of life waits for a processor, where that is why."""
UNSURE = 1.5
"""Loops by whose waiting two looks may be wrong."""
CROWDED = 0.9
"""Load of all processors of the host."""


class Verdict(Enum):
    """How a node stands with its rate."""

    KEEPS_UP = "keeps up"
    WAITING = "waiting for input"
    LOOP_TOO_SLOW = "loop too slow"
    HOST_OVERLOADED = "host overloaded"
    HELD_UP = "slowed by its outputs"

    @property
    def trouble(self) -> bool:
        """Whether the node does not do what is asked of it."""
        return self not in (Verdict.KEEPS_UP, Verdict.WAITING)


@dataclass(frozen=True)
class Counts:
    """What was counted for one node up to a moment; all but `at`, `backlog` and `load` only ever grow.

    Parameters
    ----------
    at : float
        When, in seconds.
    loops, skipped, overruns, dropped : int
        Loops, missed ticks, loops longer than a period, samples of its inputs that no loop saw.
    looped, had, waited, held : float
        Seconds in ``loop()``, with a processor, ready and waiting for one, waiting for the readers of its outputs.
    backlog : float
        Seconds of input that lie unread, on the edge where these are most.
    load : float
        Share of the host's processors that is in use.
    """

    at: float
    loops: int = 0
    skipped: int = 0
    overruns: int = 0
    dropped: int = 0
    looped: float = 0.0
    had: float = 0.0
    waited: float = 0.0
    held: float = 0.0
    backlog: float = 0.0
    load: float = 0.0


@dataclass(frozen=True)
class Figures:
    """What a judgement rests on, for people: Hz and shares; seconds a loop."""

    asked: float
    reached: float
    loop: float
    missed: float
    waited: float
    held: float
    load: float

    def words(self, verdict: Verdict) -> str:
        """The reason, in half a sentence."""
        of = f"{self.reached:.3g} of {self.asked:g} Hz" if math.isfinite(self.asked) else f"{self.reached:.3g} Hz"
        match verdict:
            case Verdict.LOOP_TOO_SLOW:
                period = f", a period {_ms(1 / self.asked)}" if math.isfinite(self.asked) else ""
                return f"{of}; a loop takes {_ms(self.loop)}{period}"
            case Verdict.HOST_OVERLOADED:
                waits = f"it waits for a processor {self.waited:.0%} of the time, {self.load:.0%} of them are in use"
                return f"{of}; a loop takes {_ms(self.loop)}, {waits}"
            case Verdict.HELD_UP:
                return f"{of}; it waits for the readers of its outputs {self.held:.0%} of the time"
            case _:
                return of


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"


def judge(before: Counts, now: Counts, asked: float, *, clocked: bool, limit: float = SHORT) -> tuple[Verdict, Figures]:
    """How a node did between two looks.

    Parameters
    ----------
    before, now : Counts
        The looks.
    asked : float
        Hz, at most; ``inf`` where nothing limits it.
    clocked : bool
        Whether the clock starts its loops; otherwise data does.
    limit : float
        Share of missed ticks that is too much.
    """
    seconds = now.at - before.at
    loops, skipped = now.loops - before.loops, now.skipped - before.skipped
    looped, waited = now.looped - before.looped, now.waited - before.waited
    if loops:
        missed, loop = skipped / (loops + skipped), looped / loops
    else:  # in the midst of one long loop, if it is to loop at all
        missed, loop = (1.0, seconds) if clocked and seconds * asked >= 3 else (0.0, 0.0)
    figures = Figures(
        asked, loops / seconds, loop, missed, waited / seconds, (now.held - before.held) / seconds, now.load
    )
    if clocked:
        return (_why_ticks(before, now, figures) if missed > limit else Verdict.KEEPS_UP), figures
    if figures.reached >= REACHED * asked:
        return Verdict.KEEPS_UP, figures
    allowed = max(BACKLOG, 3 / asked) * (1.0 if limit >= SHORT else 0.5)
    if now.dropped > before.dropped or now.backlog > allowed:
        verdict = _why_input(looped / seconds, figures)
        if verdict is not None:
            return verdict, figures
    return (Verdict.WAITING if math.isfinite(asked) else Verdict.KEEPS_UP), figures


def _why_ticks(before: Counts, now: Counts, figures: Figures) -> Verdict:
    """Why a clock's ticks were missed."""
    loops = max(1, now.loops - before.loops)
    looped = max(now.looped - before.looped, figures.loop if now.loops == before.loops else 0.0)
    waited = now.waited - before.waited
    if figures.held >= HELD and figures.held * (now.at - before.at) >= looped:
        return Verdict.HELD_UP
    # What a loop would take if nobody else wanted the processor: surely what it had of it, sleeping included.
    # A loop that spans a look has its waiting on one side of it and its time on the other: so much is not sure.
    unsure = UNSURE * looped / loops * min(1.0, waited / looped) if looped else 0.0
    alone = max(looped - waited - unsure, min(looped, now.had - before.had)) / loops
    if alone * figures.asked >= 0.9:
        return Verdict.LOOP_TOO_SLOW
    now_and_then = (now.overruns - before.overruns) / loops >= SHORT / 2
    if now_and_then and figures.waited < 0.1 and figures.load < CROWDED:
        return Verdict.LOOP_TOO_SLOW
    return Verdict.HOST_OVERLOADED


def _why_input(busy: float, figures: Figures) -> Verdict | None:
    """Why a node that data starts leaves input behind; None where it is not the node that is slow."""
    if figures.held >= HELD and figures.held >= busy:
        return Verdict.HELD_UP
    if busy >= BUSY:
        return Verdict.HOST_OVERLOADED if figures.waited >= 0.3 * busy else Verdict.LOOP_TOO_SLOW
    return Verdict.HOST_OVERLOADED if figures.waited >= 0.2 else None


@dataclass(frozen=True)
class Change:
    """A node's verdict is another one now."""

    node: str
    before: Verdict
    now: Verdict
    reason: str


@dataclass
class _Record:
    looks: deque[Counts] = field(default_factory=deque)
    verdict: Verdict | None = None
    reason: str = ""
    other: Verdict | None = None
    """What it seems to be now, while that is not yet sure."""
    other_since: float = 0.0


class Keeping:
    """Follows all nodes of a run.

    Parameters
    ----------
    graph : Graph
        What runs.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._records = {node: _Record() for node in graph.nodes}
        self._looked_at = -math.inf

    def status(self, node: str) -> dict[str, Any] | None:
        """What is known of a node, JSON-able; None before there is anything to judge."""
        record = self._records[node]
        if record.verdict is None:
            return None
        return {"verdict": record.verdict.value, "reason": record.reason, "trouble": record.verdict.trouble}

    def verdict(self, node: str) -> Verdict | None:
        """The verdict that holds now."""
        return self._records[node].verdict

    def heard(
        self, report: Mapping[str, Any], running: Collection[str], now: float, stale: Collection[str] = ()
    ) -> list[Change]:
        """A host reported; returns what has become another than it was.

        Parameters
        ----------
        report : mapping
            See :class:`rena_graph.runtime.host.report.BoardReader`.
        running : collection of str
            The nodes that ought to loop now: neither paused, nor starting, nor without a sign of life.
        now : float
            Seconds.
        stale : collection of str
            Those that ought to loop and give no sign of life. Most of them hang; one that waits for a processor
            all the while is short for the host's sake, and is named so.
        """
        if now - self._looked_at < LOOK_EVERY:
            return []
        self._looked_at = now
        changes = []
        backlog, dropped = _left_behind(report)
        for name, node in report["nodes"].items():
            record = self._records[name]
            if name not in running and name not in stale:
                self._records[name] = _Record()
                continue
            outputs = [stream.name for stream in self._graph.outputs_of(name)]
            look = Counts(
                at=now,
                loops=node["loops"],
                skipped=node["skipped"],
                overruns=node["overruns"],
                dropped=dropped.get(name, 0),
                looped=(node["loop_mean"] or 0.0) * node["loops"],
                had=node["cpu_loop"] or 0.0,
                waited=node["cpu_wait"] or 0.0,
                held=sum(report["streams"][stream]["blocked"] for stream in outputs),
                backlog=backlog.get(name, 0.0),
                load=report["hosts"][node["host"]]["cpu"] or 0.0,
            )
            if name in stale and not _starves(record.looks, look):
                self._records[name] = _Record()
                continue
            change = self._look(record, look, node["frequency"] or math.inf, name, starved=name in stale)
            if change is not None:
                changes.append(change)
        return changes

    def _look(self, record: _Record, look: Counts, asked: float, name: str, starved: bool) -> Change | None:
        looks = record.looks
        if looks and (look.had < looks[-1].had or look.loops < looks[-1].loops):
            looks.clear()  # another process
        looks.append(look)
        window = max(WINDOW, 3 / asked)
        while len(looks) > 2 and look.at - looks[1].at >= window:
            looks.popleft()
        if look.at - looks[0].at < window:
            return None
        clocked = self._graph.nodes[name].trigger == "clock"
        limit = WELL if record.verdict is not None and record.verdict.trouble else SHORT
        seems, figures = judge(looks[0], look, asked, clocked=clocked, limit=limit)
        if starved:  # of a loop that has not ended nothing is counted but its waiting
            seems = Verdict.HOST_OVERLOADED
        return self._settle(record, name, seems, figures, look.at)

    def _settle(self, record: _Record, name: str, seems: Verdict, figures: Figures, now: float) -> Change | None:
        """Take up a judgement once it has held for long enough; between well and well at once."""
        before = record.verdict or Verdict.KEEPS_UP
        if seems is before or not (seems.trouble or before.trouble):
            record.verdict, record.reason, record.other = seems, figures.words(seems), None
            return None
        if record.other is not seems:
            # Two kinds of trouble in turn are trouble all the time.
            if before.trouble or record.other is None or not (record.other.trouble and seems.trouble):
                record.other_since = now
            record.other = seems
        if record.verdict is None:
            record.verdict, record.reason = before, figures.words(before)
        if now - record.other_since < (TROUBLE_AFTER if seems.trouble else WELL_AFTER):
            return None
        record.verdict, record.reason, record.other = seems, figures.words(seems), None
        return Change(name, before, seems, record.reason)


def _starves(looks: Sequence[Counts], now: Counts) -> bool:
    """Whether a node has waited for a processor for most of the time that is looked back on; unknown counts as yes."""
    return not looks or now.waited - looks[0].waited >= STARVED * (now.at - looks[0].at)


def _left_behind(report: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, int]]:
    """By node: seconds of input that lie unread, and samples that no loop saw."""
    backlog: dict[str, float] = {}
    dropped: dict[str, int] = {}
    for edge in report["edges"]:
        node = edge["to"]
        rate = report["streams"][edge["stream"]]["rate"]
        if rate > 0 and edge["policy"] == "fifo":
            backlog[node] = max(backlog.get(node, 0.0), edge["in_flight"] / rate)
        lost = sum(edge["dropped"].get(reason, 0) for reason in ("window", "overrun", "newest"))
        dropped[node] = dropped.get(node, 0) + lost
    return backlog, dropped
