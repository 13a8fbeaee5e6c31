"""The rows of the benchmark: a table of their names, and what each is handed to measure with."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from rena_graph.errors import UsageError

if TYPE_CHECKING:
    from rena_graph.bench.figures import Figure

__all__ = ["ROUNDS", "ROWS", "Bench", "Row", "choose_rows", "measure_row"]

ROUNDS = 5
"""Rounds of a full run: the fewest whose median means something on a shared machine."""
QUICK_ROUNDS = 1


class Row(NamedTuple):
    """Where a row is measured, and what it says of itself."""

    module: str
    title: str
    target: str


ROWS: dict[str, Row] = {
    "P1": Row(
        "rena_graph.bench.p1",
        "one hop, 2.5 kB at 100/s, from the end of loop() to the start of the next node's",
        "p50 and p99 at most 1.5 times the floor's; p50 at most a quarter of the best peer's",
    ),
    "P2": Row(
        "rena_graph.bench.p2",
        "one hop, 1 MB and a 1080p RGB frame at 30/s, copied and viewed",
        "p50 at most 1.3 times the floor's",
    ),
    "P3": Row(
        "rena_graph.bench.p3",
        "a chain of six nodes, 2.5 kB at 100/s",
        "p50 at most 1.5 times that of the floor's chain",
    ),
    "P4": Row(
        "rena_graph.bench.p4",
        "one hop between two hosts (both on this machine), from ring to ring over TCP, 2.5 kB at 100/s",
        "p50 at most raw ZMQ tcp's and twice the floor's; encryption beside it",
    ),
    "P5": Row(
        "rena_graph.bench.p5",
        "one producer, one and eight consumers",
        "the producer's processor time a chunk at most 3 times that with one consumer",
    ),
    "P6": Row(
        "rena_graph.bench.p6",
        "input window of 64 channels at 2048 Hz, 34 samples a loop",
        "mean flat from 1 to 60 s, at 10 s at most 1/50 of PhysioLabXR's",
    ),
    "P7": Row(
        "rena_graph.bench.p7",
        "pacing at 1, 60, 250 and 1000 Hz, beside a bare loop of absolute deadlines",
        "grid within 0.001 %, skipped ticks and p99 lateness at most 1.3 times the bare loop's, no burst",
    ),
    "P8": Row(
        "rena_graph.bench.p8",
        "density: a chain of nodes that pass 8 channels on at 250 Hz",
        "at least twice the best peer's nodes, all at 99 % of rate or more",
    ),
    "P9": Row(
        "rena_graph.bench.p9",
        "PhysioLabXR's simulated devices at once, each through two nodes, for a minute",
        "nothing lost, every stream at 99 % of its rate or more",
    ),
    "P10": Row(
        "rena_graph.bench.p10",
        "chunks a second through one lossless port, 2.5 kB",
        "at least the best peer's",
    ),
    "P11": Row(
        "rena_graph.bench.p11",
        "start: a launch to its first output, the help, the import",
        "a launch at most 2 s beyond bare actors; help at most 3, import at most 1.5 times import numpy",
    ),
    "P12": Row(
        "rena_graph.bench.p12",
        "supervision at 20 nodes of 250 Hz, and a node's own work in each loop",
        "coordinator and host agent together at most 5 % of a core; a loop at most 20 µs beyond script and bare loop",
    ),
    "P13": Row(
        "rena_graph.bench.p13",
        "the coordinator's state machine, fed by 100 simulated hosts of 50 nodes, 4 beats a second each",
        "at most 10 % of a core, memory flat",
    ),
    "PHASES": Row(
        "rena_graph.bench.phases",
        "four clocks of 60 Hz in a line, from the first loop() to the last, in cascade and with free phases",
        "none: it shows what the cascade gains; free clocks take what the formula of their phases says",
    ),
    "BUSY": Row(
        "rena_graph.bench.busy",
        "a node at 250 Hz while other programs want all of the machine, beside a bare loop with ordinary turns",
        "none: it shows what short turns gain (Linux 6.12 on)",
    ),
}


@dataclass
class Bench:
    """What a row measures with. A context manager: what the rows share is started once and ended with it.

    Parameters
    ----------
    rounds : int
        How often everything is measured, floor and ours in turn.
    quick : bool
        Fewer and shorter measurements, to see that all works.
    peers : Path | None
        Folder of the peers' virtual environments.
    say : callable
        Told what is being measured.
    """

    rounds: int = ROUNDS
    quick: bool = False
    peers: Path | None = None
    say: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        self._held = ExitStack()
        self._address: str | None = None

    def ray(self) -> str:
        """Address of the Ray that the rows share; started when it is first asked for."""
        if self._address is None:
            from rena_graph.bench.ray_host import local_ray

            self.say("starting Ray")
            self._address = self._held.enter_context(local_ray())
        return self._address

    def close(self) -> None:
        """End what was started."""
        self._address = None
        self._held.close()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def choose_rows(names: Sequence[str]) -> list[str]:
    """The rows of these names, in the table's order; all where there are none.

    Raises
    ------
    UsageError
        There is no such row; the message has the nearest name.
    """
    wanted = {name.upper() for name in names}
    for name in names:
        if name.upper() not in ROWS:
            near = get_close_matches(name.upper(), ROWS, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(ROWS)}"
            raise UsageError(f"the benchmark has no row {name!r}; {hint}")
    return [name for name in ROWS if not wanted or name in wanted]


def measure_row(name: str, bench: Bench) -> list[Figure]:
    """Measure one row.

    Raises
    ------
    EnvironmentRefused
        The machine lacks what the row needs.
    """
    figures: list[Figure] = importlib.import_module(ROWS[name].module).measure(bench)
    return figures
