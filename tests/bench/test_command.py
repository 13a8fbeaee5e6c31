"""``rena-graph bench`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rena_graph.bench import report
from rena_graph.bench.figures import Figure
from rena_graph.bench.rows import ROWS, Bench
from rena_graph.cli import main
from rena_graph.errors import EnvironmentRefused, ExitCode

MISSED = Figure("2.5 kB, p50", "µs", (300.0, 301.0), "floor", (100.0, 100.0), 1.5)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Bench]]:
    """Rows that were measured, without measuring any."""
    calls: list[tuple[str, Bench]] = []

    def measure(name: str, bench: Bench) -> list[Figure]:
        calls.append((name, bench))
        if name == "P7":
            raise EnvironmentRefused("no clocks here")
        return [MISSED]

    monkeypatch.setattr(report, "measure_row", measure)
    return calls


def test_a_missed_target_is_said_and_ends_with_0(
    asked: list[tuple[str, Bench]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "p1", "--rounds", "3"]) == ExitCode.OK
    printed = capsys.readouterr()
    assert "MISSED" in printed.out
    assert "0 met, 1 missed: P1 2.5 kB, p50" in printed.out
    assert "P1: one hop" in printed.err
    ((name, bench),) = asked
    assert (name, bench.rounds, bench.quick) == ("P1", 3, False)


def test_all_rows_and_five_rounds_by_default(asked: list[tuple[str, Bench]]) -> None:
    assert main(["bench"]) == ExitCode.ENVIRONMENT
    assert [name for name, _ in asked] == list(ROWS)
    assert {bench.rounds for _, bench in asked} == {5}


def test_the_record_goes_to_stdout_and_to_the_folder(
    asked: list[tuple[str, Bench]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["bench", "P2", "P7", "--quick", "--json", "--out", str(tmp_path / "new")]) == ExitCode.ENVIRONMENT
    record = json.loads(capsys.readouterr().out)
    assert [row["row"] for row in record["rows"]] == ["P2", "P7"]
    assert record["rows"][0]["figures"][0]["verdict"] == "missed"
    assert record["rows"][1]["failure"] == "no clocks here"
    assert record["quick"] is True
    assert record["rounds"] == 1
    kept = {path.suffix: path.read_text() for path in (tmp_path / "new").iterdir() if path.suffix != ".png"}
    assert json.loads(kept[".json"]) == record
    assert "no clocks here" in kept[".txt"]


def test_an_unknown_row_is_a_wrong_command_line(
    asked: list[tuple[str, Bench]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "P1", "P77"]) == ExitCode.USAGE
    assert "did you mean P7?" in capsys.readouterr().err
    assert not asked


def test_a_folder_that_cannot_be_made_is_found_before_measuring(
    asked: list[tuple[str, Bench]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert main(["bench", "P1", "--out", str(tmp_path / "file" / "below")]) == ExitCode.ENVIRONMENT
    assert "--out" in capsys.readouterr().err
    assert not asked


@pytest.mark.parametrize("rounds", ["0", "many"])
def test_rounds_are_a_positive_number(rounds: str, asked: list[tuple[str, Bench]]) -> None:
    assert main(["bench", "--rounds", rounds]) == ExitCode.USAGE
    assert not asked
