"""The profiles of one run, as JSON and as tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rena_graph.bench.machine import describe_machine
from rena_graph.bench.profile.paths import PATHS, PathProfile, profile_path
from rena_graph.bench.record import Record, aligned, spread_text
from rena_graph.bench.rows import Bench
from rena_graph.errors import ExitCode, RenaGraphError

__all__ = ["ProfileReport", "profile_lines", "run_paths"]


@dataclass(frozen=True)
class ProfileReport(Record):
    """The paths; one that could not be profiled says why in `failures`."""

    profiles: tuple[PathProfile, ...]
    failures: dict[str, str]
    exit_code: ExitCode

    def as_json(self) -> dict[str, Any]:
        """The record."""
        return {
            "rena_graph_bench_profile": 1,
            **self.head(),
            "profiles": [each.as_json() for each in self.profiles],
            "failures": self.failures,
        }

    def lines(self) -> list[str]:
        """For people."""
        lines = self.head_lines("processor time, ")
        for each in self.profiles:
            lines += ["", f"{each.name}: {each.title}", *profile_lines(each)]
        return [*lines, *(f"{name}: not profiled: {why}" for name, why in self.failures.items())]


def run_paths(names: Sequence[str], bench: Bench, unix: Callable[[], float] = time.time) -> ProfileReport:
    """Profile these paths in turn. One that cannot be says why, and does not keep the others from it."""
    machine, started = describe_machine(), unix()
    profiles: list[PathProfile] = []
    failures: dict[str, str] = {}
    code = ExitCode.OK
    for name in names:
        bench.say(f"{name}: {PATHS[name].title}")
        try:
            profiles.append(profile_path(name, bench))
        except RenaGraphError as error:
            failures[name] = str(error)
            code = code if code is not ExitCode.OK else error.exit_code
    return ProfileReport(started, bench.rounds, bench.quick, machine, tuple(profiles), failures, code)


def profile_lines(profile: PathProfile) -> list[str]:
    """A line a step, and what the thread took in all."""
    rows = [(step.what, f"{step.calls:.1f}", f"{spread_text(step.microseconds)} µs") for step in profile.steps]
    rows.append(("the whole thread", "", f"{spread_text(profile.whole)} µs"))
    return aligned([("step", "calls a chunk", "a chunk"), *rows])
