"""The table, the record, and rows that cannot be measured."""

from __future__ import annotations

import json

import pytest

from rena_graph.bench import report
from rena_graph.bench.figures import Figure
from rena_graph.bench.machine import describe_machine, machine_lines
from rena_graph.bench.report import Report, RowResult, run_rows, table_lines
from rena_graph.bench.rows import ROWS, Bench
from rena_graph.errors import EnvironmentRefused, ExitCode

FIGURES = (
    Figure("2.5 kB, p50", "µs", (80.0, 100.0, 90.0), "floor", (60.0, 61.0, 62.0), 1.5),
    Figure("2.5 kB, p99", "µs", (800.0, 1000.0, 900.0), "floor", (60.0, 61.0, 62.0), 1.5),
    Figure("10 s, mean", "µs", (3.0,), "PhysioLabXR", (), 0.02, missing="PhysioLabXR is not installed: do this"),
    Figure("longest", "µs", (3.14159,)),
)


def made(*rows: RowResult, quick: bool = False) -> Report:
    return Report(0.0, 3, quick, describe_machine(), rows)


def test_each_figure_is_a_line_with_medians_and_their_range() -> None:
    lines = table_lines(FIGURES)
    assert len({line.index("floor") for line in lines if "floor" in line}) == 1
    assert "90 [80 100] µs" in lines[1]
    assert "61 [60 62]" in lines[1]
    assert "1.45 [1.33 1.64]" in lines[1]
    assert "≤ 1.5 ×" in lines[1]
    assert lines[1].endswith("met")
    assert lines[2].endswith("MISSED")
    assert lines[3].endswith("not measured")
    assert lines[4].strip() == "longest      3.14 µs"
    assert lines[5].strip() == "10 s, mean: PhysioLabXR is not installed: do this"


def test_the_end_says_what_was_missed_and_what_was_not_measured() -> None:
    text = "\n".join(made(RowResult("P1", FIGURES), RowResult("P7", failure="no loops here")).lines())
    assert "1 met, 1 missed: P1 2.5 kB, p99" in text
    assert "not measured: P1 10 s, mean; P7" in text
    assert "not measured: no loops here" in text
    assert "quick" not in text
    assert "--quick" in "\n".join(made(quick=True).lines())


def test_the_record_holds_every_round_and_the_machine() -> None:
    record = json.loads(json.dumps(made(RowResult("P1", FIGURES, 1.5)).as_json(), allow_nan=False))
    assert record["rows"][0]["figures"][0]["ours"] == [80.0, 100.0, 90.0]
    assert record["rows"][0]["figures"][0]["verdict"] == "met"
    assert record["machine"]["cores"] >= 1
    assert record["machine"]["versions"]["rena-graph"]
    assert len(record["machine"]["load_average"]) == 3


def test_a_busy_machine_is_said_to_be_one() -> None:
    machine = describe_machine()
    busy = {**machine, "load_average": [2.0 * machine["usable_cores"], 0.0, 0.0]}
    idle = {**machine, "load_average": [0.0, 9.0, 9.0]}
    assert len(machine_lines(busy)) == len(machine_lines(idle)) + 1


def test_one_row_that_cannot_be_measured_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(name: str, _: Bench) -> list[Figure]:
        if name == "P1":
            raise EnvironmentRefused("no Ray here")
        return [FIGURES[0]]

    monkeypatch.setattr(report, "measure_row", measure)
    said: list[str] = []
    result = run_rows(["P1", "P6"], Bench(rounds=1, say=said.append))
    assert [row.failure for row in result.rows] == ["no Ray here", None]
    assert result.rows[1].figures == (FIGURES[0],)
    assert result.exit_code is ExitCode.ENVIRONMENT
    assert [line.partition(":")[0] for line in said] == ["P1", "P6"]


def test_each_row_says_how_long_it_took_and_so_does_the_whole() -> None:
    text = "\n".join(made(RowResult("P1", FIGURES, 61.4), RowResult("P7", seconds=30.0, failure="no")).lines())
    assert f"P1: {ROWS['P1'].title} (61 s)" in text
    assert "91 s in all (1.5 min): P1 61, P7 30" in text


def test_a_missed_target_is_no_failure() -> None:
    assert made(RowResult("P1", FIGURES)).exit_code is ExitCode.OK
