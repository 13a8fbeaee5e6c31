"""The picture of a benchmark: what is shown of each figure, and that a file comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rena_graph.bench import plot
from rena_graph.bench.figures import Figure
from rena_graph.bench.report import Report, RowResult
from rena_graph.errors import EnvironmentRefused

MET = Figure("hop", "µs", (100.0, 110.0, 120.0), "floor", (100.0, 100.0, 100.0), 2.0)
MANY = Figure("throughput", "chunks/s", (50.0,), "peer", (100.0,), at_least=1.0)
NONE = Figure("lost", "messages", (0.0,), at_most=0.0)


def test_a_figure_s_share_of_its_target() -> None:
    met, many = plot.share_of_target(MET), plot.share_of_target(MANY)
    assert met is not None
    assert many is not None
    assert (met.low, met.median, met.high) == pytest.approx((0.5, 0.55, 0.6))
    assert many.median == pytest.approx(2.0)
    assert plot.share_of_target(NONE) is None
    assert plot.share_of_target(Figure("age", "s", (1.0,))) is None


def test_a_picture_comes_of_a_report(tmp_path: Path) -> None:
    path = tmp_path / "bench.png"
    plot.draw(Report(0.0, 3, True, {}, (RowResult("P1", (MET, NONE)), RowResult("P10", (MANY,)))), path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plot, "plotting_available", lambda: False)
    with pytest.raises(EnvironmentRefused, match=r"rena-graph\[bench\]"):
        plot.draw(Report(0.0, 1, True, {}), tmp_path / "bench.png")
