"""How cost grows: names, rounds, tables and the picture; and each series with the smallest sizes there are."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from rena_graph.bench.growth import channels, consumers, graph_size, hosts, nodes, rate, report, series, spaces
from rena_graph.bench.growth.costs import percentile
from rena_graph.bench.growth.plot import draw
from rena_graph.bench.growth.report import GrowthReport, Measured, run_series, series_lines
from rena_graph.bench.growth.series import SERIES, Line, Series, choose_series, gather
from rena_graph.bench.machine import describe_machine
from rena_graph.bench.payload import PAYLOADS
from rena_graph.bench.rows import Bench
from rena_graph.cli import main
from rena_graph.errors import EnvironmentRefused, ExitCode, UsageError

LINES = (
    Line("one hop", "µs", ((100.0, 110.0), (200.0, 190.0))),
    Line("share", "%", ((math.nan, math.nan), (50.0, 60.0))),
)
MADE = Series("nodes", "nodes beside each other", "nodes", (1.0, 10_000.0), LINES, "the rest: no room")


def made(*measured: Measured) -> GrowthReport:
    return GrowthReport(0.0, 2, False, describe_machine(), measured)


# -- names, rounds, tables ---------------------------------------------------------------------------
def test_all_series_where_none_is_named_and_in_their_order() -> None:
    assert choose_series([]) == list(SERIES)
    assert choose_series(["Graph", "nodes", "graph"]) == ["nodes", "graph"]


def test_an_unknown_series_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="did you mean hosts"):
        choose_series(["host"])
    assert main(["bench", "growth", "zzz"]) == ExitCode.USAGE
    assert ", ".join(SERIES) in capsys.readouterr().err.replace("\n", " ")


def test_every_size_is_measured_in_every_round_up_and_down_in_turn() -> None:
    asked: list[float] = []

    def measure(size: float) -> dict[str, float]:
        asked.append(size)
        return {"b": size, "a": len(asked)}

    a, b = gather((1, 2, 3), 2, measure, {"a": "µs", "b": "s", "c": "never given"})
    assert asked == [1, 2, 3, 3, 2, 1]
    assert a == Line("a", "µs", ((1, 6), (2, 5), (3, 4)))
    assert b.rounds == ((1, 1), (2, 2), (3, 3))


def test_what_was_not_measured_in_a_round_is_left_out_of_the_middle() -> None:
    line = Line("x", "µs", ((1.0, math.nan, 3.0), (math.nan,)))
    assert (line.spreads[0].median, line.spreads[0].high) == (2.0, 3.0)
    assert math.isnan(line.spreads[1].median)


def test_the_table_has_a_line_for_each_size() -> None:
    head, one, many, left = series_lines(MADE)
    assert head.split("  ")[-1].strip() == "share [%]"
    assert one.split() == ["1", "105", "[100", "110]"]
    assert many.split() == ["10,000", "195", "[190", "200]", "55", "[50", "60]"]
    assert left.strip() == "left out: the rest: no room"


def test_the_record_is_strict_json_and_says_how_long_it_took() -> None:
    whole = made(Measured(MADE, 12.0), Measured(Series("hosts", "", ""), 1.0, "no hosts", ExitCode.ENVIRONMENT))
    record = json.loads(json.dumps(whole.as_json(), allow_nan=False))
    assert record["series"][0]["lines"][1]["rounds"] == [[None, None], [50.0, 60.0]]
    assert record["series"][1]["failure"] == "no hosts"
    text = "\n".join(whole.lines())
    assert "not measured: no hosts" in text
    assert "13 s in all" in text
    assert whole.exit_code is ExitCode.ENVIRONMENT


def test_one_series_that_cannot_be_measured_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(name: str, _: Bench) -> Series:
        if name == "hosts":
            raise EnvironmentRefused("no network here")
        return MADE

    monkeypatch.setattr(report, "measure_series", measure)
    result = run_series(["hosts", "nodes"], Bench(rounds=1))
    assert [each.failure for each in result.measured] == ["no network here", None]


def test_the_command_writes_table_record_and_picture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "measure_series", lambda name, bench: MADE)
    assert main(["bench", "growth", "nodes", "--quick", "--json", "--out", str(tmp_path)]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["rounds"] == 1
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".png", ".txt"]


def test_a_panel_for_each_series_and_none_for_what_was_not_measured(tmp_path: Path) -> None:
    draw(made(Measured(MADE, 1.0), Measured(MADE, 1.0), Measured(Series("hosts", "", ""), 0.0)), tmp_path / "g.svg")
    text = (tmp_path / "g.svg").read_text()
    assert text.count("<!-- nodes: nodes beside each other -->") == 2
    # What grows has its own sizes at the ticks, and no number is a power or has a factor.
    assert text.count("<!-- 10,000 -->") == 2
    assert r"\times" not in text
    assert r"10^" not in text


# -- the series --------------------------------------------------------------------------------------
def test_messages_that_count_begin_with_the_first_one_that_does(tmp_path: Path) -> None:
    times = np.array([[0, 0, 9000], [1, 0, 1000], [2, 0, 3000]])
    np.save(tmp_path / "t.npy", times)
    assert percentile(times, 50, 1) == percentile(tmp_path / "t.npy", 50, 1) == 2.0
    assert math.isnan(percentile(times, 50, 3))


def test_first_and_last_of_the_consumers_are_told_apart(tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", np.array([[0, 0, 1000], [1, 0, 5000], [3, 0, 1000]]))
    np.save(tmp_path / "1.npy", np.array([[1, 0, 2000], [3, 0, 6000]]))
    assert consumers.last_of(tmp_path, 2, 0) == (1.5, 5.5)
    assert consumers.last_of(tmp_path, 2, 2) == (1.0, 6.0)
    assert all(map(math.isnan, consumers.last_of(tmp_path, 2, 4)))


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.parametrize(
    ("module", "sizes"), [(nodes, (2,)), (channels, (1, 50)), (rate, (100,)), (consumers, (2,))], ids=lambda x: str(x)
)
def test_a_series_of_graphs(
    module: object, sizes: tuple[float, ...], ray_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUICK_SIZES", sizes)
    monkeypatch.setattr(Bench, "ray", lambda self: ray_address)
    measured, lines, skipped = module.measure(Bench(rounds=1, quick=True))  # type: ignore[attr-defined]
    assert measured == sizes
    assert skipped == ""
    assert [line.what for line in lines] == list(module.UNITS)  # type: ignore[attr-defined]
    assert all(values[0] > 0 for line in lines for values in line.rounds)


def test_the_series_of_graph_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_size, "QUICK_SIZES", (3, 12))
    _, lines, _ = graph_size.measure(Bench(rounds=1, quick=True))
    assert [line.what for line in lines] == list(graph_size.UNITS)
    assert all(values[0] >= 0 for line in lines for values in line.rounds)


def test_hosts_that_cannot_be_made_are_said_to_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "why_not", lambda: "no root here")
    monkeypatch.setattr(hosts, "QUICK_MESSAGES", 40)
    sizes, lines, skipped = hosts.measure(Bench(rounds=1, quick=True))
    assert list(sizes) == [1]
    assert skipped == "more than one host: no root here"
    arrived = {line.what: line.rounds[0][0] for line in lines}
    assert arrived["until the last host has it, p50"] > 0
    assert math.isnan(arrived["sending, processor time a chunk and host"])


def test_why_no_hosts_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "takes root" in spaces.why_not()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(spaces, "_TOOLS", ("ip", "no-such-tool"))
    assert "no-such-tool: not installed" in spaces.why_not()


@pytest.mark.hosts
def test_the_series_of_hosts_crosses_real_network_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := spaces.why_not():
        pytest.skip(f"needs network namespaces: {reason}")
    monkeypatch.setattr(hosts, "QUICK_SIZES", (3,))
    monkeypatch.setattr(hosts, "QUICK_MESSAGES", 40)
    _, lines, skipped = hosts.measure(Bench(rounds=1, quick=True))
    assert skipped == ""
    assert all(line.rounds[0][0] > 0 for line in lines)


def test_documents_are_graphs(tmp_path: Path) -> None:
    from rena_graph.bench.graph_run import SCRIPTS
    from rena_graph.graph.load import graph_from_dict

    assert len(graph_from_dict(nodes.document(50), SCRIPTS).nodes) == 50
    assert len(graph_from_dict(consumers.document(16, 10, tmp_path), SCRIPTS).edges) == 16
    fast = graph_from_dict(rate.document(10_000, 10, tmp_path / "t"), SCRIPTS)
    assert fast.nodes["producer"].run_frequency == 10_000
    assert PAYLOADS["small"].nbytes == 2560


def test_series_of_a_module_are_found() -> None:
    for name in SERIES:
        place = series.SERIES[name]
        assert (Path(series.__file__).parent / f"{place.module}.py").exists()
