"""What is shown of a run: log lines, ledger, summary, live table."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rena_graph.cli.view.errors import ErrorList
from rena_graph.cli.view.latency import sink_lines
from rena_graph.cli.view.ledger import REASONS, ledger_lines, source_lines
from rena_graph.cli.view.lines import clean, message_lines
from rena_graph.cli.view.live import live_view
from rena_graph.cli.view.report import report_lines
from rena_graph.cli.view.status import NODE, complete
from rena_graph.cli.view.summary import ENDINGS, summary_lines
from rena_graph.errors import ExitCode
from rena_graph.transport.board import EdgeColumn
from tests.cli.statuses import edge, external, node, status

TIME = datetime(2026, 1, 2, 3, 4, 5, 678000).timestamp()


def message(text: str, **changes: Any) -> dict[str, Any]:
    return {"time": TIME, "node": "r_peaks", "level": "print", "text": text, **changes}


def draw(shown: dict[str, Any], lines: list[str], *, width: int = 140, height: int = 40) -> list[str]:
    """The live view as lines of text."""
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(live_view(shown, lines, width, height))
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue().splitlines()


def row(lines: list[str], name: str) -> str:
    """The one line that begins with `name`, its cells one space apart."""
    (found,) = [" ".join(line.split()) for line in lines if line.split()[:1] == [name]]
    return found


# -- log lines ---------------------------------------------------------------------------------------
def test_a_line_has_time_node_and_text() -> None:
    assert message_lines(message("hello")) == ["03:04:05.678 r_peaks: hello"]


def test_the_run_s_own_words_and_levels_are_marked() -> None:
    assert message_lines(message("gone", node=None, level="warning")) == ["03:04:05.678 run: WARNING gone"]
    assert message_lines(message("boom", level="error")) == ["03:04:05.678 r_peaks: ERROR boom"]
    assert message_lines(message("as it is", level="info")) == ["03:04:05.678 r_peaks: as it is"]


def test_further_lines_of_a_text_are_indented() -> None:
    assert message_lines(message("a\n  b\n")) == ["03:04:05.678 r_peaks: a", " " * 15 + "  b"]


@given(st.text())
def test_nothing_that_moves_a_cursor_is_left(text: str) -> None:
    cleaned = clean(text)
    assert not any(ord(c) < 32 and c not in "\t\n" for c in cleaned)
    assert not any(127 <= ord(c) < 160 for c in cleaned)


def test_colours_go_and_other_escapes_are_written_out() -> None:
    assert clean("\x1b[1;31mred\x1b[0m \x1b[2J \x00\t\x9b1m") == "red \\x1b[2J \\x00\t\\x9b1m"


# -- ledger ------------------------------------------------------------------------------------------
def test_a_clean_ledger_is_one_line() -> None:
    assert ledger_lines([edge(), edge(produced=10, delivered=10)]) == [
        "ledger: 7,210 samples delivered over 2 edges, none dropped"
    ]


def test_an_edge_that_dropped_is_named_with_its_reasons() -> None:
    loser = edge(delivered=7000, dropped={"overrun": 150, "window": 40, "view": 0}, in_flight=10)
    head, line = ledger_lines([loser, edge("R-peaks", "heart_rate")])
    assert head == "ledger: 14,200 samples delivered over 2 edges, 190 dropped, 10 in flight at the end"
    assert line.startswith("  ECG → r_peaks: 190 of 7,200 dropped: 150 overwritten before they were read (overrun); ")
    assert line.endswith("40 left the input window before a loop saw them (window)")


def test_a_ledger_that_does_not_balance_says_so() -> None:
    lines = ledger_lines([edge(delivered=7199)])
    assert lines[1].startswith("  ECG → r_peaks does not balance: produced 7,200 is not 7,199")


def test_no_edges() -> None:
    assert ledger_lines([]) == ["ledger: this graph has no edges"]


def test_every_reason_that_is_counted_has_words() -> None:
    counted = {c.name.removeprefix("DROPPED_").lower() for c in EdgeColumn if c.name.startswith("DROPPED_")}
    assert counted == set(REASONS)


def test_losses_outside_are_told_by_source() -> None:
    streams = {"EEG": external(gaps=2, lost=45, rejected=3), "ECG": external(), "Gaze": external(gaps=1)}
    assert source_lines(streams) == [
        "source EEG: 2 gaps on arrival, about 45 samples; 3 messages rejected",
        "source Gaze: 1 gap on arrival",
    ]


# -- summary -----------------------------------------------------------------------------------------
def test_the_summary_holds_everything() -> None:
    nodes = {"r_peaks": node(exceptions=2, bad_outputs=1, error="line 3"), "every": node(frequency=None)}
    lines = summary_lines(status(nodes=nodes, uptime=428.0), ExitCode.SCRIPT, Path("/runs/x"))
    assert lines[0] == "heart-rate failed: a script ended it after 7:08 (exit code 4)"
    assert row(lines, "r_peaks") == "r_peaks running 1,200 60.0 60.0 400 µs 900 µs 12.3 ms 0 0 3 0"
    assert row(lines, "every").startswith("every running 1,200 max ")
    assert "r_peaks: line 3" in lines
    assert lines[-2].startswith("ledger: ")
    assert lines[-1] == "logs and statistics: /runs/x"


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_has_an_ending(code: ExitCode) -> None:
    assert summary_lines(status(), code, Path("x"))[0].startswith(f"heart-rate {ENDINGS[code]} after")


def test_a_run_that_never_ran_has_a_short_one() -> None:
    lines = summary_lines(complete({"graph": "g"}), 0, Path("/runs/x"))
    assert lines == ["g ended in good order before it ran (exit code 0)", "logs: /runs/x"]


def test_a_run_that_never_reported_has_a_summary() -> None:
    lines = summary_lines(complete({"graph": "g", "nodes": {"a": {"state": "placing"}}}), 0, Path("x"))
    assert row(lines, "a").startswith("a placing 0 – ")


def test_complete_keeps_what_it_does_not_know() -> None:
    full = complete({"nodes": {"a": {"state": "ready", "lateness_p99": 1.0}}, "failure": "x"})
    assert full["nodes"]["a"] == {**NODE, "state": "ready", "lateness_p99": 1.0}
    assert full["failure"] == "x"


def test_a_quantile_is_not_beyond_the_longest_loop() -> None:
    full = complete({"nodes": {"a": {"loop_p99": 448e-6, "loop_max": 412e-6}}})
    assert full["nodes"]["a"]["loop_p99"] == 412e-6


# -- live table --------------------------------------------------------------------------------------
def test_the_table_shows_nodes_streams_and_log() -> None:
    nodes = {"r_peaks": node(overruns=3, skipped=2, dropped=5), "heart_rate": node(state="paused")}
    lines = draw(status(nodes=nodes), ["03:04:05.678 r_peaks: hello"], width=120)
    assert lines[0].startswith("heart-rate  running  0:20  ring  run c0ffee12  Ctrl-C stops")
    assert row(lines, "r_peaks") == "r_peaks running 60.0 60.0 400 µs 900 µs 3 2 0 5 6.2 ms"
    assert row(lines, "heart_rate").startswith("heart_rate paused ")
    assert row(lines, "ECG") == "ECG connected 360.1 7,200 – 0 0 0"
    assert row(lines, "R-peaks") == "R-peaks – 1.20 25 – – – –"
    assert lines[-1] == "03:04:05.678 r_peaks: hello"


def test_stale_and_restarts_are_shown() -> None:
    lines = draw(status(nodes={"a": node(stale=True), "b": node(restarts=4)}), [])
    assert row(lines, "a").startswith("a stale ")
    assert row(lines, "b").endswith(" 4")
    assert not any("restarts" in line for line in draw(status(), []))


def test_nothing_is_cut_on_a_terminal_of_80_columns() -> None:
    nodes = {"r_peaks": node(overruns=123, skipped=45, dropped=678, frequency=2048.0, rate=1999.4, loop_p99=0.0123)}
    lines = draw(status(nodes=nodes, streams={"ECG": external(produced=123456, age=0.0123)}), [], width=80)
    assert row(lines, "node") == "node state asked got loop p99 over skip err drop age"
    assert row(lines, "r_peaks") == "r_peaks running 2,048 1,999 400 µs 12.3 ms 123 45 0 678 6.2 ms"
    assert row(lines, "ECG") == "ECG connected 360.1 123,456 12.3 ms 0 0 0"


AGES = {"age_p50": 0.0061, "age_p99": 0.0164, "output_age_p50": 0.0982, "output_age_p99": 0.115}
AGE_TITLES = "age p50 age p99 out p50 out p99"


@pytest.mark.parametrize("restarts", [0, 12])
def test_the_ages_of_a_node_s_data_are_shown_where_there_is_room(restarts: int) -> None:
    nodes = {"r_peaks": node(**AGES, restarts=restarts), "b": node(state="initializing", restarts=restarts)}
    wide = draw(status(nodes=nodes), [], width=160)
    end = f" {restarts}" if restarts else ""
    assert (
        row(wide, "r_peaks")
        == f"r_peaks running 60.0 60.0 400 µs 900 µs 0 0 0 0 6.2 ms 6.1 ms 16.4 ms 98.2 ms 115 ms{end}"
    )
    assert row(wide, "b").endswith(f"6.2 ms – – – –{end}")
    assert AGE_TITLES in row(wide, "node")
    assert "age p50" not in row(draw(status(nodes=nodes), [], width=120), "node")


@pytest.mark.parametrize("width", range(90, 221, 10))
@pytest.mark.parametrize("name", ["a", "slow_classifier_of_mine", "n" * 64])
def test_no_title_and_no_number_is_cut_on_any_terminal(width: int, name: str) -> None:
    busy = node(**AGES, overruns=12345, skipped=12345, exceptions=1234, dropped=12345, restarts=12, frequency=2048.0)
    lines = draw(status(nodes={name: busy, "b": node(state="initializing")}), [], width=width)
    titles = row(lines, "node").replace(" ", "")
    assert "…" not in titles
    assert titles.startswith("nodestateasked")
    shown = next(line for line in lines if "12,345" in line)
    numbers = "2,048 60.0 400 µs 900 µs 12,345 12,345 1,234 12,345 6.2 ms"
    ages = " 6.1 ms 16.4 ms 98.2 ms 115 ms" if "agep50" in titles else ""
    assert " ".join(shown.split()).endswith(f" running {numbers}{ages} 12")
    assert all(len(line) <= width for line in lines)


def test_a_stopping_run_offers_no_stop() -> None:
    assert "Ctrl-C" not in draw(status(state="stopping"), [])[0]


@pytest.mark.parametrize("height", [10, 24, 50])
@pytest.mark.parametrize("number", [1, 5, 80])
def test_it_fits_the_terminal_and_shows_the_newest_lines(height: int, number: int) -> None:
    nodes = {f"n{i}": node() for i in range(number)}
    streams = {f"s{i}": external() for i in range(number)}
    lines = draw(status(nodes=nodes, streams=streams), [f"log {i}" for i in range(500)], height=height)
    shown = [line for line in lines if line.startswith("log ")]
    assert shown[-1] == "log 499"
    assert len(shown) >= 4
    if height >= 24:
        assert len(lines) <= height


def test_where_not_all_fit_those_in_trouble_come_first_in_their_order() -> None:
    nodes = {f"n{i}": node() for i in range(80)}
    nodes["n7"] = node(state="failed", error="x")
    nodes["n70"] = node(stale=True)
    streams = {f"s{i}": external() for i in range(80)}
    streams["s77"] = external(source_state="lost")
    lines = draw(status(nodes=nodes, streams=streams), [], height=24)
    assert [line.split()[0] for line in lines if line.startswith("n7")] == ["n7", "n70"]
    assert row(lines, "s77").startswith("s77 lost ")
    assert any("more nodes; --json shows all" in line for line in lines)
    assert any("more streams; --json shows all" in line for line in lines)


def test_names_are_not_markup() -> None:
    lines = draw(status(nodes={"[red]a[/red]": node()}, streams={"[b]": external()}), ["[bold]x[/bold]"])
    assert row(lines, "[red]a[/red]")
    assert row(lines, "[b]")
    assert lines[-1] == "[bold]x[/bold]"


def test_a_status_without_reports_is_drawn() -> None:
    lines = draw(complete({"graph": "g", "nodes": {"a": {"state": "placing"}}}), [])
    assert row(lines, "a") == "a placing – – – – 0 0 0 0 – – – – –"


# -- the last errors ---------------------------------------------------------------------------------
def test_errors_are_kept_once_with_how_often_they_came() -> None:
    errors = ErrorList()
    errors.add([message("hello"), message("boom\nValueError: 3 is wrong", level="error")])
    errors.add([message("loop 7 failed\nTypeError: x", level="error", node="b")])
    errors.add([message("boom\nValueError: 4 is wrong\n(and 59 times more since it was last said)", level="error")])
    errors.add([message("", level="error"), message("careful", level="warning")])
    assert errors.lines(5) == ["03:04:05 b: TypeError: x", "03:04:05 r_peaks (61 times): ValueError: 4 is wrong"]
    assert errors.lines(1) == ["03:04:05 r_peaks (61 times): ValueError: 4 is wrong"]
    assert errors.lines(0) == []


def test_errors_are_bounded() -> None:
    errors = ErrorList()
    errors.add([message(f"error {'x' * n}", level="error") for n in range(500)])
    assert len(errors) == 50
    assert errors.lines(1)[0].endswith("x" * 499)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40)])
def test_errors_stay_while_log_lines_go_by(width: int, height: int) -> None:
    errors = ErrorList()
    errors.add([message(f"ValueError: {'ab'[n % 2]}", level="error") for n in range(10)])
    shown = status(nodes={f"n{i}": node(state="failed") for i in range(9)})
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(live_view(shown, [f"log {i}" for i in range(500)], width, height, errors.lines(height)))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) <= height
    at = lines.index("last errors")
    assert [line.split()[-1] for line in lines[at + 1 : at + 3]] == ["a", "b"]
    assert lines[-1] == "log 499"
    assert sum(line.startswith("log") for line in lines) >= 4


def test_a_node_that_does_not_keep_its_rate_is_named_with_the_reason() -> None:
    good = {"verdict": "keeps up", "reason": "60 of 60 Hz", "trouble": False}
    slow = {"verdict": "loop too slow", "reason": "its loop takes 30 ms of 17", "trouble": True}
    lines = draw(status(nodes={"a": node(keeping=good), "b": node(keeping=slow), "c": node(keeping=None)}), [])
    assert "b: loop too slow: its loop takes 30 ms of 17" in lines
    assert not any(line.startswith("a: ") for line in lines)


def test_what_ctrl_c_does_is_said() -> None:
    console = Console(file=io.StringIO(), width=120, height=40, color_system=None)
    console.print(live_view(status(), [], 120, 40, hint="Ctrl-C lets go"))
    assert isinstance(console.file, io.StringIO)
    assert "Ctrl-C lets go" in console.file.getvalue().splitlines()[0]


@pytest.mark.parametrize("restarts", [0, 12])
def test_numbers_are_whole_on_80_columns_also_with_restarts_and_long_names(restarts: int) -> None:
    nodes = {
        "slow_classifier_of_mine": node(
            overruns=12345, skipped=12345, exceptions=1234, dropped=12345, restarts=restarts
        ),
        "b": node(state="initializing", restarts=restarts),
    }
    lines = draw(status(nodes=nodes), [], width=80)
    assert " over " in lines[1]
    for cell in ("12,345", "1,234", "6.2 ms"):
        assert any(cell in line for line in lines), lines
    assert all(len(line) <= 80 for line in lines)


# -- latency -----------------------------------------------------------------------------------------
SINK = {
    "stream": "Out", "to": "lsl:Out", "latency_p50": 0.005, "latency_p99": 0.009, "ahead": 0,
    "paths": [
        {"from": "ECG", "nodes": [{"node": "a", "adds": 0.001}, {"node": "b", "adds": 0.003}], "out": 0.001},
        {"from": "Gaze", "nodes": [{"node": "b", "adds": 0.001}], "out": 0.004},
    ],
}  # fmt: skip


def test_latency_is_shown_end_to_end_with_its_slowest_way() -> None:
    line = "lsl:Out: 5.0 ms, p99 9.0 ms, from ECG: a 1.0 ms, b 3.0 ms, out 1.0 ms"
    assert sink_lines([SINK, {**SINK, "latency_p50": None}]) == [line]
    assert sink_lines([{**SINK, "paths": []}]) == ["lsl:Out: 5.0 ms, p99 9.0 ms"]
    assert line in draw(status(sinks=[SINK]), [])
    shown = report_lines(status(sinks=[SINK], nodes={"a": node(age_p50=0.002, age_p99=0.004)}))
    assert f"  {line}" in shown
    assert any(" ".join(text.split()) == "a 2.0 ms 4.0 ms – –" for text in shown)


def test_what_crosses_hosts_says_how_well_their_clocks_are_known() -> None:
    paths = [{**SINK["paths"][0], "uncertainty": 8.5e-5}]  # type: ignore[index]
    assert sink_lines([{**SINK, "paths": paths}])[0].startswith("lsl:Out: 5.0 ms, p99 9.0 ms (± 85 µs), from ECG")
    clock = {"offset": -7200.000123, "drift": 1.23e-5, "uncertainty": 8.5e-5, "round_trip": 0.00017}
    line = "clock of gpu: graph time is -7200.000123 s, drift +12.3 ppm, known to 85 µs, round trip 170 µs"
    run = status(hosts={"head": {"clock": None}, "gpu": {"clock": clock}})
    assert [text for text in report_lines(run) if "clock of" in text] == [line]
    assert [text for text in summary_lines(run, 0, Path("x")) if "clock of" in text] == [line]
    assert line in draw(run, [])


def test_a_report_says_who_does_not_keep_its_rate() -> None:
    slow = {"verdict": "loop too slow", "reason": "its loop takes 30 ms of 17", "trouble": True}
    assert "a: loop too slow: its loop takes 30 ms of 17" in report_lines(status(nodes={"a": node(keeping=slow)}))
