"""``rena-graph bench``: measures this machine against the floor of the same run, and says which targets are met.

Two words in the place of rows measure something else: ``growth`` how cost grows, ``profile`` where time goes.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rena_graph.cli.options import json_option
from rena_graph.cli.output import talk, write_json, write_line
from rena_graph.errors import EnvironmentRefused, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    from rena_graph.bench.rows import Bench
    from rena_graph.errors import ExitCode

    class AnyReport(Protocol):
        """What rows, growth and profile have in common."""

        @property
        def started(self) -> float: ...
        @property
        def exit_code(self) -> ExitCode: ...
        def as_json(self) -> dict[str, Any]: ...
        def lines(self) -> list[str]: ...

    Draw = Callable[[Path], None] | None
    """Writes the picture; None where there is none to draw."""

__all__ = ["command"]


@click.command("bench")
@click.argument("rows", nargs=-1, metavar="[ROW]...")
@click.option("--quick", is_flag=True, help="Fewer and shorter measurements: to see that all works, not to judge.")
@click.option("--rounds", type=click.IntRange(1, 1000),
              help="Times that all is measured: 5 by default (growth and profiles: 3), 1 with --quick.")  # fmt: skip
@click.option("--peers", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Folder of the peers' virtual environments, to compare with them too.")  # fmt: skip
@click.option("--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
              help="Write the table, the JSON record and a plot into DIR as well.")  # fmt: skip
@json_option("Print the record as JSON instead of the table.")
def command(
    rows: tuple[str, ...], quick: bool, rounds: int | None, peers: Path | None, out: Path | None, as_json: bool
) -> None:
    """Measure the rows ROW of the table of targets (P1 to P13), all where none is given.

    Each is held against the floor that the same run measures in turn with it. Ends with 0 also where a target is
    missed, which the table says; with 5 where something could not be measured.

    `bench growth [SERIES]...` measures instead how cost grows with nodes, channels, rate, consumers, hosts and the
    graph's size; `bench profile [PATH]...` where the time goes in bridges and links between hosts.
    """
    run, default_rounds = _what_to_run(rows)
    if out is not None:
        _make_folder(out)
    from rena_graph.bench.rows import QUICK_ROUNDS, Bench

    chosen = rounds or (QUICK_ROUNDS if quick else default_rounds)
    with Bench(rounds=chosen, quick=quick, peers=peers, say=talk) as bench:
        report, draw = run(bench)
    if out is not None:
        _write(report, draw, out)
    if as_json:
        write_json(report.as_json())
    else:
        for line in report.lines():
            write_line(line)
    raise SystemExit(report.exit_code)


def _what_to_run(words: Sequence[str]) -> tuple[Callable[[Bench], tuple[AnyReport, Draw]], int]:
    """What measures, and gives its report and what draws it; and how many rounds it takes by default.

    Raises
    ------
    click.BadParameter
        There is no such row, series or path.
    """
    kind, rest = (words[0].lower(), words[1:]) if words else ("", ())
    try:
        match kind:
            case "growth":
                return _growth(rest)
            case "profile":
                return _profile(rest)
            case _:
                return _rows(words)
    except UsageError as error:
        raise click.BadParameter(str(error), param_hint="ROW") from None


def _rows(words: Sequence[str]) -> tuple[Callable[[Bench], tuple[AnyReport, Draw]], int]:
    from rena_graph.bench.rows import ROUNDS, choose_rows

    names = choose_rows(words)

    def run(bench: Bench) -> tuple[AnyReport, Draw]:
        from rena_graph.bench.plot import draw
        from rena_graph.bench.report import run_rows

        report = run_rows(names, bench)
        return report, lambda path: draw(report, path)

    return run, ROUNDS


def _growth(words: Sequence[str]) -> tuple[Callable[[Bench], tuple[AnyReport, Draw]], int]:
    from rena_graph.bench.growth.series import ROUNDS, choose_series

    names = choose_series(words)

    def run(bench: Bench) -> tuple[AnyReport, Draw]:
        from rena_graph.bench.growth.plot import draw
        from rena_graph.bench.growth.report import run_series

        report = run_series(names, bench)
        return report, lambda path: draw(report, path)

    return run, ROUNDS


def _profile(words: Sequence[str]) -> tuple[Callable[[Bench], tuple[AnyReport, Draw]], int]:
    from rena_graph.bench.profile.paths import ROUNDS, choose_paths

    names = choose_paths(words)

    def run(bench: Bench) -> tuple[AnyReport, Draw]:
        from rena_graph.bench.profile.report import run_paths

        return run_paths(names, bench), None

    return run, ROUNDS


def _make_folder(out: Path) -> None:
    """Before an hour of measuring, not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".writable").touch()
        (out / ".writable").unlink()
    except OSError as error:
        raise EnvironmentRefused(
            f"cannot write into {out}: {error.strerror}; choose another folder for --out"
        ) from error


def _write(report: AnyReport, draw: Draw, out: Path) -> None:
    name = time.strftime("bench-%Y%m%d-%H%M%S", time.localtime(report.started))
    (out / f"{name}.json").write_text(json.dumps(report.as_json(), indent=2, ensure_ascii=False), encoding="utf-8")
    (out / f"{name}.txt").write_text("\n".join(report.lines()) + "\n", encoding="utf-8")
    talk(f"written: {out / name}.json and .txt")
    if draw is None:
        return
    from rena_graph.bench.plot import plotting_available

    if plotting_available():
        draw(out / f"{name}.png")
        talk(f"written: {out / name}.png")
    else:
        talk("no plot: that takes matplotlib, pip install 'rena-graph[bench]'")
