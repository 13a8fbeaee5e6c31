"""The paths that are profiled, and what the profile of one is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from rena_graph.bench.figures import Spread
from rena_graph.errors import EnvironmentRefused, UsageError

if TYPE_CHECKING:
    from rena_graph.bench.rows import Bench

__all__ = ["PATHS", "ROUNDS", "PathProfile", "Step", "choose_paths", "profile_path"]

ROUNDS = 3
SECONDS, QUICK_SECONDS = 3.0, 0.7


class _Place(NamedTuple):
    module: str
    title: str


PATHS: dict[str, _Place] = {
    "lsl-in": _Place("bridge_in", "LSL source: 64 channels, 2048 Hz, float32, pushed in chunks of 10 ms"),
    "zmq-in": _Place("bridge_in", "ZMQ source: 64 channels, 2048 Hz, float32, a message a sample"),
    "recording": _Place("bridge_in", "recording: 64 channels, 2048 Hz, float32"),
    "lsl-out": _Place("bridge_out", "LSL sink: chunks of 20 samples of 64 channels, float32, 100/s"),
    "zmq-out": _Place("bridge_out", "ZMQ sink: the same"),
    "link-out": _Place("crossing", "sender of a link between hosts, encrypted: chunks of 2.5 kB, 100/s"),
    "link-in": _Place("crossing", "receiver of a link between hosts, encrypted: the same"),
}


@dataclass(frozen=True)
class Step:
    """One step of a path.

    Attributes
    ----------
    calls : float
        A chunk.
    microseconds : tuple of float
        Of processor time a chunk, without the steps inside of it; one value a round.
    """

    what: str
    calls: float
    microseconds: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        """Over the rounds."""
        return Spread.of(self.microseconds)


@dataclass(frozen=True)
class PathProfile:
    """Where a chunk's time goes on one path.

    Attributes
    ----------
    steps : tuple of Step
        As they are passed.
    whole : tuple of float
        Microseconds of processor time that the path's thread took a chunk, the system calls of its waits included.
    """

    name: str
    title: str
    steps: tuple[Step, ...] = ()
    whole: tuple[float, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the record."""
        steps = [{"what": s.what, "calls": s.calls, "microseconds": list(s.microseconds)} for s in self.steps]
        return {"path": self.name, "title": self.title, "steps": steps, "whole": list(self.whole)}


def choose_paths(names: Sequence[str]) -> list[str]:
    """The paths of these names, in the table's order; all where there are none.

    Raises
    ------
    UsageError
        There is no such path; the message has the nearest name.
    """
    for name in names:
        if name.lower() not in PATHS:
            near = get_close_matches(name.lower(), PATHS, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(PATHS)}"
            raise UsageError(f"no path {name!r} is profiled; {hint}")
    wanted = {name.lower() for name in names}
    return [name for name in PATHS if not wanted or name in wanted]


def profile_path(name: str, bench: Bench) -> PathProfile:
    """Profile one path, each round in a process of its own.

    Raises
    ------
    EnvironmentRefused
        The process could not.
    """
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    rounds = []
    for k in range(bench.rounds):
        bench.say(f"{name}: round {k + 1} of {bench.rounds}")
        rounds.append(_in_process(name, seconds))
    first = rounds[0]["steps"]
    steps = tuple(
        Step(what, calls, tuple(each["steps"].get(what, (0, 0.0))[1] for each in rounds))
        for what, (calls, _) in first.items()
    )
    return PathProfile(name, PATHS[name].title, steps, tuple(each["whole"] for each in rounds))


def _in_process(name: str, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", f"rena_graph.bench.profile.{PATHS[name].module}", name, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EnvironmentRefused(f"{name} could not be profiled:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result
