"""``rena-graph launch``: runs a graph and stays attached to it until it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from rena_graph.cli.options import SECONDS, allow_code_option, finite, graph_argument, json_option, ray_address
from rena_graph.cli.output import talk, write_json, write_line
from rena_graph.errors import PortTaken, RenaGraphError, UsageError

if TYPE_CHECKING:
    from rena_graph.graph.model import Graph
    from rena_graph.runtime.launch.session_start import SessionAhead
    from rena_graph.runtime.options import LaunchOptions

__all__ = ["command", "prepare_graph", "run_attached"]

Transport = Literal["auto", "ring", "zmq"]


@click.command("launch")
@graph_argument
@click.option(
    "--for",
    "seconds",
    metavar="SECONDS",
    type=SECONDS,
    callback=finite,
    help="Stop in good order after so many seconds of running; the start-up does not count.",
)
@click.option(
    "--set",
    "settings",
    metavar="NODE.PARAM=VALUE",
    multiple=True,
    help="Give a parameter another value than the graph does; may be repeated.",
)
@click.option("--simulate", is_flag=True, help="Replace every external stream by random samples of its format.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what would run (nodes, script files, streams, ports, memory) and start nothing.",
)
@json_option("A JSON line a second on stdout and a last one; all else on stderr. With --dry-run: the plan.")
@click.option(
    "--transport",
    type=click.Choice(["auto", "ring", "zmq"]),
    help="How streams move between processes of one machine; by default as the graph says.",
)
@allow_code_option
@click.option(
    "--instance", metavar="NAME", help="Tell this run's LSL outlets from those of another run of the same graph."
)
@click.option(
    "--address",
    metavar="local|auto|HOST:PORT",
    default="local",
    show_default=True,
    callback=ray_address,
    help="local: a Ray of the run's own, ended with it. Else the Ray cluster to join.",
)
@click.option(
    "--detach",
    is_flag=True,
    help="Return once the graph is running, and let it run until it is stopped: from any terminal, by its id.",
)
@click.option(
    "--metrics-port",
    metavar="PORT",
    type=click.IntRange(1, 65535),
    help="Serve metrics to a Prometheus at http://HOST:PORT/metrics while the graph runs.",
)
@click.option(
    "--metrics-host",
    metavar="HOST",
    default="127.0.0.1",
    show_default=True,
    help="Address to serve metrics on; they tell the names of nodes and streams to whoever asks.",
)
@click.option(
    "--reload",
    is_flag=True,
    help="Start a node anew when its script, or a module beside it that it imported, changes on disk.",
)
@click.option(
    "--debug",
    metavar="NODE",
    help="Run this node in the launching process, on this terminal: breakpoint() stops in it.",
)
def command(
    graph: Path,
    seconds: float | None,
    settings: tuple[str, ...],
    simulate: bool,
    dry_run: bool,
    as_json: bool,
    transport: Transport | None,
    allow_code: tuple[Path, ...],
    instance: str | None,
    address: str,
    detach: bool,
    metrics_port: int | None,
    metrics_host: str,
    reload: bool,
    debug: str | None,
) -> None:
    """Run the graph in the file GRAPH, and show it while it runs.

    Ctrl-C (or SIGTERM) stops it in good order: sources first, then each node finishes its loop and runs cleanup().
    A second one kills it. A table shows the run on a terminal; elsewhere what the scripts print comes as plain lines.
    """  # fmt: skip
    if debug is not None and as_json:
        raise UsageError("--debug and --json both want stdout: leave one out")
    if debug is not None and detach:
        raise UsageError("--debug runs a node on this terminal, and --detach leaves it: leave one out")
    if dry_run:
        loaded = prepare_graph(graph, settings=settings, simulate=simulate, allow_code=allow_code, node=debug)
        _print_plan(loaded, transport, as_json)
        return
    from rena_graph.runtime.launch.session_start import SessionAhead

    with SessionAhead(own=address == "local") as ahead:
        loaded = prepare_graph(graph, settings=settings, simulate=simulate, allow_code=allow_code, node=debug)
        from rena_graph.cli.display import choose_display
        from rena_graph.runtime.options import LaunchOptions

        options = LaunchOptions(
            transport=transport, address=address, instance=instance, reload=reload, debug=debug,
            metrics_port=metrics_port, metrics_host=metrics_host,
        )  # fmt: skip
        if metrics_port is not None:
            _tell_of_metrics(metrics_host, metrics_port)
        if debug is not None:
            raise SystemExit(_run_debugged(loaded, options, seconds, settings, ahead))
        if detach:
            options = replace(options, detach=True, run_for=seconds)
            raise SystemExit(_run_detached(loaded, options, as_json, settings, ahead))
        raise SystemExit(run_attached(loaded, options, choose_display(as_json), seconds, settings, ahead))


def _tell_of_metrics(host: str, port: int) -> None:
    from rena_graph.runtime.metrics.exposition import require_prometheus

    require_prometheus()
    talk(f"metrics: http://{f'[{host}]' if ':' in host else host}:{port}/metrics")


def _refuse_unknown(node: str, graph: Graph) -> None:
    from difflib import get_close_matches

    if node not in graph.nodes:
        near = get_close_matches(node, graph.nodes, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"its nodes are {', '.join(graph.nodes)}"
        raise UsageError(f"--debug: the graph has no node {node!r}; {hint}")


def prepare_graph(
    path: Path, *, settings: tuple[str, ...], simulate: bool, allow_code: tuple[Path, ...], node: str | None = None
) -> Graph:
    """Load the graph, print its warnings, and change it as the command line asks; it has to have `node`."""
    from rena_graph.graph.changed import simulated, with_params
    from rena_graph.graph.load import load_graph
    from rena_graph.graph.settings import parse_settings

    graph = load_graph(path, allow_code=allow_code)
    for warning in graph.warnings:
        talk(str(warning))
    if settings:
        graph = with_params(graph, parse_settings(graph.nodes, settings))
    if node is not None:
        _refuse_unknown(node, graph)
    return simulated(graph) if simulate else graph


def run_attached(
    graph: Graph,
    options: Any,
    display: Any,
    seconds: float | None,
    settings: Sequence[str] = (),
    ahead: SessionAhead | None = None,
) -> int:
    """Launch `graph`, stay with it until it ends, and give its exit code.

    Raises
    ------
    PortTaken
        Before anything is started.
    RenaGraphError
        The run did not start.
    """
    import time

    from rena_graph.cli.attached import attach
    from rena_graph.cli.signals import Interrupts
    from rena_graph.runtime.launch import client

    _refuse_taken_ports(graph)
    with Interrupts() as interrupts, client.launch(graph, options, settings, ahead) as run:
        return attach(run, display, seconds=seconds, interrupts=interrupts, clock=time.monotonic)


def _run_detached(
    graph: Graph, options: LaunchOptions, as_json: bool, settings: Sequence[str], ahead: SessionAhead
) -> int:
    """Launch `graph`, and leave it once it is running; a start that is interrupted ends it."""
    from rena_graph.cli.signals import Interrupts
    from rena_graph.cli.view.lines import message_lines
    from rena_graph.runtime.launch import client

    _refuse_taken_ports(graph)
    with Interrupts() as interrupts, client.launch(graph, options, settings, ahead) as run:
        try:
            with interrupts.raising():
                run.start(talk)
        except RenaGraphError as error:
            for record in run.messages():
                if record["text"].strip() not in str(error):
                    for line in message_lines(record):
                        talk(line)
            raise
        pid = run.session_pid
        run.detach()
    if as_json:
        write_json({"run": run.id, "graph": graph.name, "folder": str(run.folder), "pid": pid}, compact=True)
        return 0
    write_line(f"{graph.name} runs as {run.id}")
    talk(f"see it:   rena-graph attach {run.id}, or status, top, logs -f")
    talk(f"stop it:  rena-graph stop {run.id}")
    return 0


def _run_debugged(
    graph: Graph, options: Any, seconds: float | None, settings: Sequence[str], ahead: SessionAhead
) -> int:
    import time

    from rena_graph.cli.debug import attach_debugged
    from rena_graph.runtime.launch import client

    _refuse_taken_ports(graph)
    return attach_debugged(
        client.launch(graph, options, settings, ahead), options.debug, seconds=seconds, clock=time.monotonic
    )


def _refuse_taken_ports(graph: Graph) -> None:
    from rena_graph.graph.load import ports_in_use

    problems = ports_in_use(graph)
    if problems:
        raise PortTaken("\n".join(str(problem) for problem in problems))


def _print_plan(graph: Graph, transport: Transport | None, as_json: bool) -> None:
    from rena_graph.cli.dry_run import launch_plan, read_recordings
    from rena_graph.cli.view.plan import plan_lines

    plan = launch_plan(read_recordings(graph), transport)
    if as_json:
        write_json(plan)
        return
    for line in plan_lines(plan):
        write_line(line)
