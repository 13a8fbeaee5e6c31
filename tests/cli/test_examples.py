"""The bundled examples are found, by every name that is unambiguous."""

from __future__ import annotations

from pathlib import Path

import pytest

from rena_graph import examples as module
from rena_graph.errors import UsageError
from rena_graph.examples import DEFAULT_EXAMPLE, examples, examples_dir, find_example
from tests.conftest import GRAPHS


def test_the_checkout_s_graphs_are_the_examples() -> None:
    assert examples_dir() == GRAPHS
    assert DEFAULT_EXAMPLE in examples()
    assert list(examples()) == sorted(examples())


def test_every_example_is_a_graph_with_a_description() -> None:
    for name, example in examples().items():
        assert example.path == GRAPHS / f"{name}.json"
        assert example.description


@pytest.mark.parametrize("name", ["ecg/heart_rate", "heart_rate"])
def test_found_by_name(name: str) -> None:
    assert find_example(name).name == "ecg/heart_rate"


def test_found_by_a_folder_that_holds_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = {name: example for name, example in examples().items() if name in ("ecg/heart_rate", "eeg/feedback")}
    monkeypatch.setattr("rena_graph.examples.examples", lambda: alone)
    assert find_example("eeg").path == GRAPHS / "eeg" / "feedback.json"


def test_a_folder_with_several_is_ambiguous() -> None:
    with pytest.raises(UsageError, match=r"'ecg' fits several examples: ecg/heart_rate, ecg/heart_rate_fast"):
        find_example("ecg")


def test_an_unknown_one_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'hart_rate'. Did you mean 'heart_rate'\? There are: .*eeg/feedback"):
        find_example("hart_rate")


def test_an_installed_wheel_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "rena_graph"
    (package / "_graphs").mkdir(parents=True)
    (tmp_path / "graphs").mkdir()
    monkeypatch.setattr(module, "__file__", str(package / "examples.py"))
    assert examples_dir() == package / "_graphs"


def test_an_installation_without_examples_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "__file__", str(tmp_path / "rena_graph" / "examples.py"))
    with pytest.raises(UsageError, match="holds no examples"):
        examples_dir()
