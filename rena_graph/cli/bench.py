"""``rena-graph bench``: measures this machine against the floor of the same run, and says which targets are met."""

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
    from rena_graph.bench.report import Report

__all__ = ["command"]


@click.command("bench")
@click.argument("rows", nargs=-1, metavar="[ROW]...")
@click.option("--quick", is_flag=True, help="Fewer and shorter measurements: to see that all works, not to judge.")
@click.option("--rounds", type=click.IntRange(1, 1000),
              help="Times that all is measured, floor and ours in turn: by default 5, 2 with --quick.")  # fmt: skip
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
    """
    from rena_graph.bench.rows import QUICK_ROUNDS, ROUNDS, Bench, choose_rows

    try:
        names = choose_rows(rows)
    except UsageError as error:
        raise click.BadParameter(str(error), param_hint="ROW") from None
    if out is not None:
        _make_folder(out)
    from rena_graph.bench.report import run_rows

    chosen = rounds or (QUICK_ROUNDS if quick else ROUNDS)
    with Bench(rounds=chosen, quick=quick, peers=peers, say=talk) as bench:
        report = run_rows(names, bench)
    if out is not None:
        _write(report, out)
    if as_json:
        write_json(report.as_json())
    else:
        for line in report.lines():
            write_line(line)
    raise SystemExit(report.exit_code)


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


def _write(report: Report, out: Path) -> None:
    name = time.strftime("bench-%Y%m%d-%H%M%S", time.localtime(report.started))
    (out / f"{name}.json").write_text(json.dumps(report.as_json(), indent=2, ensure_ascii=False), encoding="utf-8")
    (out / f"{name}.txt").write_text("\n".join(report.lines()) + "\n", encoding="utf-8")
    talk(f"written: {out / name}.json and .txt")
    from rena_graph.bench.plot import draw, plotting_available

    if plotting_available():
        draw(report, out / f"{name}.png")
        talk(f"written: {out / name}.png")
    else:
        talk("no plot: that takes matplotlib, pip install 'rena-graph[bench]'")
