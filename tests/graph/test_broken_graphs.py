"""Every graph of the folder of broken ones is refused for what it is broken by, at that place, and for nothing else."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from rena_graph.errors import ExitCode, GraphInvalid
from rena_graph.graph.load import load_graph
from rena_graph.graph.problems import CODES, Problem

FOLDER = Path(__file__).parent.parent / "broken_graphs"


def _expected() -> dict[str, list[tuple[str, str, str]]]:
    table: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for line in (FOLDER / "EXPECTED.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, code, place, json_path = line.split(maxsplit=3)
            table[name].append((code, place, json_path))
    return table


EXPECTED = _expected()


def problems_of(path: Path) -> tuple[Problem, ...]:
    try:
        return load_graph(path).warnings
    except GraphInvalid as invalid:
        return invalid.problems


def _place(problem: Problem) -> str:
    file = "" if problem.path.endswith(".json") else f"{Path(problem.path).name}:"
    return "-" if problem.line is None else f"{file}{problem.line}:{problem.column}"


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_broken_graph(name: str) -> None:
    problems = problems_of(FOLDER / f"{name}.json")
    found = [(problem.code, _place(problem), problem.json_path) for problem in problems]
    assert sorted(found) == sorted(EXPECTED[name]), "\n".join(map(str, problems))
    for problem in problems:
        assert problem.severity == CODES[problem.code].severity
        assert problem.message
        assert not problem.message.endswith(".")
        assert problem.found or problem.allowed or problem.hint, problem
    assert [p.is_error for p in problems] == sorted((p.is_error for p in problems), reverse=True)


def test_every_file_of_the_folder_is_expected_and_there_are_enough() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(EXPECTED)
    assert len(EXPECTED) >= 45


def test_every_code_is_shown_by_a_graph_or_by_a_test_of_its_own() -> None:
    elsewhere = {
        "G001", "G002", "G008", "G010", "G109",  # test_source.py, test_limits.py
        "G602", "G603",  # test_ports.py
        "G454", "G456",  # test_checks.py: they depend on the machine
    }  # fmt: skip
    shown = {code for cases in EXPECTED.values() for code, _, _ in cases}
    assert shown | elsewhere == set(CODES)
    assert not shown & elsewhere


def test_errors_refuse_and_warnings_do_not() -> None:
    with pytest.raises(GraphInvalid) as refused:
        load_graph(FOLDER / "cycle.json")
    assert refused.value.exit_code == ExitCode.GRAPH
    assert {problem.severity for problem in load_graph(FOLDER / "warnings.json").warnings} == {"warning"}


def test_messages_say_it_in_full() -> None:
    assert str(problems_of(FOLDER / "format_mismatch.json")[0]).splitlines() == [
        f"{FOLDER / 'format_mismatch.json'}:7:76: error G301 filter expects 32 channels at 1 kHz, gets 16 at 250 Hz "
        'from "EEG"',
        "    at      $.nodes.filter.inputs[0].channels",
        "    found   16 channels at 250 Hz",
        "    allowed 32 channels at 1 kHz",
        "    hint    the stream is declared at $.streams.EEG",
    ]
    cycle = problems_of(FOLDER / "cycle.json")[0]
    assert cycle.message == "a cycle: a → b → c → a"
    unknown = problems_of(FOLDER / "unknown_input.json")
    assert unknown[0].message == 'filter takes "EGG", which nothing makes'
    assert unknown[0].hint == 'did you mean "EEG"?'
    assert unknown[1].hint == '"filter" is a node; it has no outputs'
    number = problems_of(FOLDER / "numbers_as_text.json")
    assert [p.hint for p in number] == ["write 250 without quotes", "write 8", None, "write 60 without quotes", None]


def test_scripts_are_not_executed(capfd: pytest.CaptureFixture[str]) -> None:
    problems_of(FOLDER / "script_no_class.json")
    assert capfd.readouterr() == ("", "")
