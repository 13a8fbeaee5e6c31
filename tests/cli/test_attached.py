"""An attached run from start to end, with a run that the test plays and a clock that it moves."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from rena_graph.cli.attached import attach
from rena_graph.cli.display import JsonDisplay
from rena_graph.cli.signals import SIGNALS, Interrupts
from rena_graph.errors import ExitCode, NodeFailed, RunLost
from tests.cli import statuses


class Script:
    """A run that ends when it is told to; each wait lets a step pass, which the test fills."""

    folder = Path("/runs/x")
    failure: str | None = None

    def __init__(self, steps: Mapping[int, Callable[[], None]] | None = None, *, stubborn: bool = False) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.code: ExitCode | None = None
        self.starting: Callable[[], None] = lambda: None
        self.records: list[dict[str, Any]] = []
        self.lost = False
        self.state = "running"
        self._steps = dict(steps or {})
        self._waits = 0
        self._stubborn = stubborn

    def start(self, progress: Callable[[str], None]) -> None:
        progress("starting Ray")
        self.starting()
        self.now += 100.0  # the start-up takes long, and counts for nothing

    def status(self) -> dict[str, Any]:
        if self.lost:
            raise RunLost("nobody answers")
        return statuses.status(uptime=self.now, state=self.state)

    def messages(self) -> list[dict[str, Any]]:
        records, self.records = self.records, []
        return records

    def stop(self) -> None:
        self.said.append("stop")
        if not self._stubborn:
            self.code = ExitCode.OK

    def kill(self) -> None:
        self.said.append("kill")
        if self._stubborn is not None:
            self.code = ExitCode.KILLED

    def wait(self, timeout: float) -> ExitCode | None:
        assert self._waits < 1000, "nobody ended the run"
        if self.code is not None:
            return self.code
        self._waits += 1
        self.now += timeout
        self._steps.get(self._waits, lambda: None)()
        return None


class Shown:
    """A display that keeps what it is told."""

    def __init__(self, period: float | None = 1.0) -> None:
        self.period = period
        self.events: list[tuple[str, Any]] = []
        self.fail_at: str | None = None

    def _note(self, what: str, value: Any) -> None:
        if self.fail_at == what:
            raise BrokenPipeError
        self.events.append((what, value))

    def progress(self, text: str) -> None:
        self._note("progress", text)

    def say(self, text: str) -> None:
        self._note("say", text)

    def messages(self, records: Sequence[Mapping[str, Any]]) -> None:
        for record in records:
            self._note("message", record["text"])

    def status(self, status: Mapping[str, Any]) -> None:
        self._note("status", round(status["uptime"], 6))

    def finish(self, status: Mapping[str, Any], code: int, folder: Path, failure: str | None) -> None:
        self._note("finish", (status["graph"], code, folder, failure))

    def close(self) -> None:
        self._note("close", None)

    def of(self, what: str) -> list[Any]:
        return [value for kind, value in self.events if kind == what]


def attached(run: Script, display: Any, seconds: float | None = None) -> ExitCode:
    with Interrupts() as interrupts:
        return attach(run, display, seconds=seconds, interrupts=interrupts, clock=lambda: run.now)


def interrupt(number: signal.Signals = signal.SIGINT) -> Callable[[], None]:
    return lambda: signal.raise_signal(number)


def test_it_runs_for_its_time_counted_from_when_it_runs() -> None:
    run, shown = Script(), Shown()
    assert attached(run, shown, seconds=3.0) is ExitCode.OK
    assert run.said == ["stop"]
    assert run.now == pytest.approx(103.0, abs=0.11)
    assert shown.of("progress") == ["starting Ray"]
    assert shown.of("say")[0].startswith("the time is over")
    assert shown.events[-2:] == [("finish", ("heart-rate", ExitCode.OK, Path("/runs/x"), None)), ("close", None)]


def test_statuses_come_at_the_period_of_the_display() -> None:
    shown = Shown(period=1.0)
    attached(Script(), shown, seconds=5.5)
    assert shown.of("status") == pytest.approx([100.1, 101.1, 102.1, 103.1, 104.1, 105.1], abs=0.11)


def test_a_run_that_has_ended_is_shown_as_such_once() -> None:
    run = Script()
    run._steps[2] = lambda: setattr(run, "state", "ended")
    run._steps[40] = lambda: setattr(run, "code", ExitCode.OK)  # its processes take their time
    shown = Shown(period=0.25)
    attached(run, shown)
    assert len(shown.of("status")) == 1
    assert len(shown.of("finish")) == 1


def test_a_display_that_wants_no_status_gets_none_but_the_last() -> None:
    shown = Shown(period=None)
    attached(Script(), shown, seconds=5.0)
    assert shown.of("status") == []
    assert len(shown.of("finish")) == 1


def test_a_run_that_ends_by_itself_is_not_asked_to() -> None:
    run = Script()
    run._steps[5] = lambda: setattr(run, "code", ExitCode.SCRIPT)
    run.failure = "r_peaks failed"
    shown = Shown()
    assert attached(run, shown) is ExitCode.SCRIPT
    assert run.said == []
    assert shown.of("finish") == [("heart-rate", ExitCode.SCRIPT, Path("/runs/x"), "r_peaks failed")]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_stops_the_run(number: signal.Signals) -> None:
    run, shown = Script({3: interrupt(number)}), Shown()
    assert attached(run, shown) is ExitCode.OK
    assert run.said == ["stop"]
    assert "Ctrl-C kills" in shown.of("say")[0]


def test_the_second_signal_kills_it() -> None:
    run = Script({3: interrupt(), 6: interrupt(signal.SIGTERM)}, stubborn=True)
    shown = Shown()
    assert attached(run, shown) is ExitCode.KILLED
    assert run.said == ["stop", "kill"]
    assert shown.of("say")[-1] == "killing"


def test_two_signals_at_once_kill_it() -> None:
    def both() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    run = Script({3: both}, stubborn=True)
    assert attached(run, Shown()) is ExitCode.KILLED
    assert run.said == ["kill"]


def test_a_third_signal_no_longer_waits() -> None:
    run = Script({3: interrupt(), 4: interrupt(), 9: interrupt()}, stubborn=True)
    run.kill = lambda: run.said.append("kill")  # type: ignore[method-assign]  # a kill that does not come through
    assert attached(run, Shown()) is ExitCode.KILLED
    assert run.said == ["stop", "kill"]


def test_a_signal_after_the_time_is_over_kills() -> None:
    run = Script({15: interrupt(), 16: interrupt()}, stubborn=True)
    assert attached(run, Shown(), seconds=1.0) is ExitCode.KILLED
    assert run.said == ["stop", "kill"]


def test_an_interrupt_during_the_start_up_ends_in_good_order(capfd: pytest.CaptureFixture[str]) -> None:
    run = Script()

    def starting() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            run.stop()  # as Run.start() does before it lets the exception go
            raise

    run.starting = starting
    shown = Shown()
    assert attached(run, shown) is ExitCode.OK
    assert run.said == ["stop"]
    assert "interrupted while starting" in capfd.readouterr().err
    assert shown.of("finish")


def test_however_a_half_started_run_goes_down_it_was_the_user_who_ended_it(capfd: pytest.CaptureFixture[str]) -> None:
    run = Script()
    run.lost = True  # it never answered
    run.failure = "Ray was still starting"

    def starting() -> None:
        run.code = ExitCode.ENVIRONMENT
        signal.raise_signal(signal.SIGTERM)

    run.starting = starting
    shown = Shown()
    assert attached(run, shown) is ExitCode.OK
    assert shown.of("finish") == [("the run", ExitCode.OK, Path("/runs/x"), None)]
    assert "interrupted" in capfd.readouterr().err


def test_a_run_that_was_killed_is_killed_whatever_it_says_itself() -> None:
    run = Script({3: interrupt(), 4: interrupt()}, stubborn=True)
    run.kill = lambda: setattr(run, "code", ExitCode.OK)  # type: ignore[method-assign]
    assert attached(run, Shown()) is ExitCode.KILLED


def test_a_second_interrupt_during_the_start_up_kills(capfd: pytest.CaptureFixture[str]) -> None:
    run = Script(stubborn=True)

    def starting() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            run.stop()
            signal.raise_signal(signal.SIGINT)  # while start() waits for the end

    run.starting = starting
    assert attached(run, Shown()) is ExitCode.KILLED
    assert run.said == ["stop", "kill"]
    assert capfd.readouterr().err.count("interrupted") == 1


def test_a_failed_start_shows_what_was_said_and_raises() -> None:
    run, shown = Script(), Shown()

    def starting() -> None:
        run.records = [{"text": "loading"}, {"text": "init() failed"}]
        raise NodeFailed("r_peaks: init() failed")

    run.starting = starting
    with pytest.raises(NodeFailed, match="init"):
        attached(run, shown)
    # What the error says itself is not said twice.
    assert shown.of("message") == ["loading"]
    assert shown.events[-1] == ("close", None)


def test_messages_are_shown_in_order_and_to_the_last() -> None:
    run = Script()
    run._steps[1] = lambda: run.records.append({"text": "one"})
    run._steps[2] = lambda: run.records.append({"text": "two"})

    def last() -> None:
        run.code = ExitCode.OK
        run.records.append({"text": "last"})

    run._steps[3] = last
    shown = Shown()
    attached(run, shown)
    assert shown.of("message") == ["one", "two", "last"]


def test_a_reader_that_leaves_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rena_graph.cli.display.abandon_stdout", lambda: None)
    run, shown = Script(), Shown()
    shown.fail_at = "status"
    assert attached(run, shown) is ExitCode.OK
    assert run.said == ["stop"]
    assert shown.of("finish") == []


def test_a_run_that_no_longer_answers_is_summed_up_with_its_last_status() -> None:
    run = Script()
    run._steps[5] = lambda: setattr(run, "lost", True)
    run._steps[9] = lambda: setattr(run, "code", ExitCode.ENVIRONMENT)
    shown = Shown(period=0.25)
    assert attached(run, shown) is ExitCode.ENVIRONMENT
    assert shown.of("finish")[0][:2] == ("heart-rate", ExitCode.ENVIRONMENT)


def test_json_lines_are_all_json(capsys: pytest.CaptureFixture[str]) -> None:
    run = Script({2: interrupt()})
    run.records = [{"time": 0.0, "node": "a", "level": "print", "text": "hello"}]
    attached(run, JsonDisplay())
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["event"] for line in lines] == ["status", "end"]
    assert lines[-1]["exit_code"] == 0
    assert lines[-1]["folder"] == "/runs/x"
    assert " a: hello" in err


def test_signals_are_given_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupts() as interrupts:
        assert [signal.getsignal(number) for number in SIGNALS] != before
        signal.raise_signal(signal.SIGTERM)
        assert interrupts.count == 1
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGHUP)
            assert interrupts.count == 0
    finally:
        signal.signal(signal.SIGHUP, before)
