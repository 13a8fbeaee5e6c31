"""``rena-graph demo``: runs a bundled example, without any hardware, and says in plain words what it showed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from rena_graph.cli.options import SECONDS, finite
from rena_graph.cli.output import columns, talk, write_line
from rena_graph.errors import EnvironmentRefused, ExitCode
from rena_graph.examples import DEFAULT_EXAMPLE, examples, find_example

if TYPE_CHECKING:
    from rena_graph.graph.model import Graph

__all__ = ["command"]

LONG_ENOUGH = 10.0
"""Seconds after which something must have come out, whatever the example."""


@click.command("demo")
@click.argument("name", default=DEFAULT_EXAMPLE)
@click.option("--for", "seconds", metavar="SECONDS", type=SECONDS, callback=finite, default=20.0, show_default=True,
              help="How long it runs.")  # fmt: skip
@click.option("--list", "only_list", is_flag=True, help="List the bundled examples and run none.")
def command(name: str, seconds: float, only_list: bool) -> None:
    """Run the bundled example NAME, and say what it showed.

    Without a name: five minutes of a recorded ECG, of which two scripts find the R peaks and the heart rate, compared
    with what cardiologists annotated. Examples that want an LSL or ZMQ stream from outside get simulated ones.
    """
    if only_list:
        for line in columns((example.name, example.description) for example in examples().values()):
            write_line(line)
        return
    example = find_example(name)
    from rena_graph.graph.changed import simulated
    from rena_graph.graph.load import load_graph

    graph = load_graph(example.path)
    if any(stream.live for stream in graph.external):
        talk(f"{example.name} wants streams from outside; this demo simulates them with random samples")
        graph = simulated(graph)
    talk(f"{example.name}: {example.description}")
    raise SystemExit(_run(graph, seconds))


def _run(graph: Graph, seconds: float) -> int:
    from rena_graph.cli.display import choose_display
    from rena_graph.cli.launch import run_attached
    from rena_graph.cli.showcase.taps import Taps, with_taps
    from rena_graph.cli.showcase.words import ValuesDisplay, what_it_showed
    from rena_graph.runtime.options import LaunchOptions

    tapped, points = with_taps(graph)
    with Taps(points) as taps:
        display = ValuesDisplay(choose_display(as_json=False), taps, points, time.time)
        code = run_attached(tapped, LaunchOptions(), display, seconds)
    if code != ExitCode.OK or display.last is None:
        return code
    write_line()
    for line in what_it_showed(tapped, display.last, taps, points):
        write_line(line)
    write_line(f"\nThe graph and its scripts: {graph.path}\nRun it yourself: rena-graph launch {graph.path}")
    if points and not any(taps.samples.values()) and display.last["uptime"] >= LONG_ENOUGH:
        raise EnvironmentRefused("nothing came out of the graph; `rena-graph doctor` looks for what may be in its way")
    return code
