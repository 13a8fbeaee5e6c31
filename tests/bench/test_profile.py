"""Where time goes: the stopwatch, names, tables, and each path for a moment."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from rena_graph.bench.profile import paths, report
from rena_graph.bench.profile.paths import PATHS, PathProfile, Step, choose_paths, profile_path
from rena_graph.bench.profile.report import profile_lines, run_paths
from rena_graph.bench.profile.stopwatch import Stopwatch
from rena_graph.bench.rows import Bench
from rena_graph.cli import main
from rena_graph.errors import EnvironmentRefused, ExitCode, UsageError

MADE = PathProfile(
    "lsl-in", "a source", (Step("pulled", 2.0, (10.0, 12.0)), Step("kept", 1.0, (1.0, 3.0))), (15.0, 17.0)
)


class Clock:
    """Time passes by a known amount whenever a step says so."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


class Work:
    """A step with another one inside of it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def outer(self) -> str:
        self.clock.now += 5
        self.inner(2)
        self.clock.now += 1
        return "done"

    def inner(self, took: int) -> None:
        self.clock.now += took


def test_a_step_s_time_is_without_the_steps_inside_of_it() -> None:
    clock = Clock()
    work = Work(clock)
    with Stopwatch(clock) as watch:
        watch.watch(work, "inner", "inside")
        watch.watch(work, "outer", "around")
        work.outer()
        watch.counting = True
        assert work.outer() == "done"
        work.inner(4)
    work.outer()
    assert watch.nanoseconds == {"inside": 6, "around": 6}
    assert watch.calls == {"inside": 2, "around": 1}


def test_what_was_watched_is_as_before() -> None:
    module = SimpleNamespace(sleep=len)
    work = Work(Clock())
    with Stopwatch() as watch:
        watch.watch(module, "sleep", "waiting")
        watch.watch(work, "inner", "inside")
        assert module.sleep is not len
    assert module.sleep is len
    assert "inner" not in vars(work)


def test_a_step_that_fails_is_counted_and_fails() -> None:
    clock = Clock()

    def fail() -> None:
        clock.now += 3
        raise ValueError

    with Stopwatch(clock) as watch:
        watch.counting = True
        with pytest.raises(ValueError):
            watch.timed(fail, "failing")()
    assert watch.nanoseconds["failing"] == 3


def test_names_of_paths() -> None:
    assert choose_paths([]) == list(PATHS)
    assert choose_paths(["ZMQ-out", "lsl-in"]) == ["lsl-in", "zmq-out"]
    with pytest.raises(UsageError, match="did you mean lsl-in"):
        choose_paths(["lsl-i"])
    assert main(["bench", "profile", "zzz"]) == ExitCode.USAGE


def test_a_line_for_each_step_and_one_for_the_whole() -> None:
    _, pulled, kept, whole = profile_lines(MADE)
    assert pulled.split() == ["pulled", "2.0", "11", "[10", "12]", "µs"]
    assert kept.split() == ["kept", "1.0", "2", "[1", "3]", "µs"]
    assert whole.split() == ["the", "whole", "thread", "16", "[15", "17]", "µs"]


def test_a_path_that_cannot_be_profiled_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def profile(name: str, bench: Bench) -> PathProfile:
        if name == "lsl-in":
            raise EnvironmentRefused("no LSL here")
        return MADE

    monkeypatch.setattr(report, "profile_path", profile)
    result = run_paths(["lsl-in", "recording"], Bench(rounds=1))
    assert result.exit_code is ExitCode.ENVIRONMENT
    assert result.failures == {"lsl-in": "no LSL here"}
    assert main(["bench", "profile", "lsl-in", "recording", "--json"]) == ExitCode.ENVIRONMENT
    assert len(json.loads(capsys.readouterr().out)["profiles"]) == 1


def test_a_process_that_cannot_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PATHS, "broken", PATHS["recording"])
    with pytest.raises(EnvironmentRefused, match="KeyError: 'broken'"):
        profile_path("broken", Bench(rounds=1, quick=True))


@pytest.mark.parametrize("name", ["recording", "zmq-out", "link-in"])
def test_a_path_is_profiled(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "QUICK_SECONDS", 0.3)
    check(profile_path(name, Bench(rounds=1, quick=True)))


@pytest.mark.lsl
@pytest.mark.long
@pytest.mark.parametrize("name", ["lsl-in", "lsl-out", "zmq-in", "link-out"])
def test_the_others_are_profiled(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "QUICK_SECONDS", 0.3)
    check(profile_path(name, Bench(rounds=1, quick=True)))


def check(profile: PathProfile) -> None:
    """Steps are parts of the whole."""
    assert len(profile.steps) >= 3
    assert all(step.calls > 0 and step.microseconds[0] >= 0 for step in profile.steps)
    # What stands in no step, and what counting takes, make the whole more; the kernel counts in grains of its own.
    assert 0 < sum(step.microseconds[0] for step in profile.steps) < 2 * profile.whole[0]
