"""What the verbs for running graphs share: the argument RUN, nodes by name, and their completion in the shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from rena_graph.runtime.launch.handle import RunHandle
    from rena_graph.runtime.launch.runs import RunRecord

__all__ = [
    "NOT_YET",
    "complete_nodes",
    "complete_params",
    "complete_places",
    "complete_streams",
    "held",
    "node_argument",
    "record_of",
    "run_argument",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])
NOT_YET = ", once it takes it up: it is in a long loop, hangs, or still loads"
"""What is said of a change that a node's loop does not have after two seconds."""
_COMPLETION_TIMEOUT = 0.5
"""Seconds that a shell waits for names."""


def run_argument(
    *, ended: bool = False, required: bool = True, default: str | None = "@"
) -> Callable[[_Function], _Function]:
    """The argument RUN; without `required` it is `default` where nothing is said: the only run."""
    # Click takes a default of None for a value: what is required has no default at all.
    unsaid: dict[str, Any] = {"required": True} if required else {"required": False, "default": default}
    return click.argument("run", metavar="RUN", shell_complete=_complete_ended if ended else _complete_runs, **unsaid)


def node_argument(many: bool = False) -> Callable[[_Function], _Function]:
    """The argument NODE, or NODE... where there may be several."""
    if many:
        return click.argument("nodes", metavar="NODE...", nargs=-1, required=True, shell_complete=complete_nodes)
    return click.argument("node", metavar="NODE", shell_complete=complete_nodes)


def record_of(word: str, *, ended: bool = False) -> RunRecord:
    """The run that `word` means; see :func:`rena_graph.runtime.launch.runs.find_run`."""
    from rena_graph.runtime.launch.runs import find_run

    return find_run(word, ended=ended)


@contextmanager
def held(word: str) -> Iterator[RunHandle]:
    """A handle of the running run that `word` means; let go at the end.

    Raises
    ------
    RunNotFound
        None that is running is meant, or several are.
    """
    from rena_graph.runtime.launch.handle import RunHandle

    with RunHandle.of(record_of(word)) as handle:
        yield handle


# -- completion: quick, and never with an error --------------------------------------------------------
def _items(words: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(word, help=help) for word, help in words if word.startswith(incomplete)]


def _complete_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of what runs, and names where only one run has them."""
    from rena_graph.errors import RenaGraphError
    from rena_graph.runtime.launch.runs import live_runs

    try:
        return _items(_words(live_runs()), incomplete)
    except (OSError, RenaGraphError):
        return []


def _complete_ended(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The same of all runs whose folders are there, the newest first."""
    from rena_graph.errors import RenaGraphError
    from rena_graph.runtime.launch.runs import all_runs

    try:
        return _items(_words(all_runs()[::-1][:50]), incomplete)
    except (OSError, RenaGraphError):
        return []


def _words(runs: Iterable[RunRecord]) -> list[tuple[str, str]]:
    runs = list(runs)
    names = [run.graph for run in runs]
    named = [(run.graph, f"run {run.id}") for run in runs if names.count(run.graph) == 1]
    return named + [(run.id, run.graph) for run in runs]


def _known(ctx: click.Context) -> dict[str, Any]:
    """The status of the run that was typed before; empty where it does not answer at once."""
    from rena_graph.errors import RenaGraphError
    from rena_graph.runtime.launch.control_link import ControlLink

    try:
        record = record_of(str(ctx.params.get("run", "")))
        link = ControlLink(record.runtime / "control.sock", record.id, _COMPLETION_TIMEOUT)
        try:
            status: dict[str, Any] = link.ask({"op": "status"})["status"]
        finally:
            link.close()
    except (OSError, ValueError, KeyError, RenaGraphError):
        return {"nodes": {}, "streams": {}}
    return status


def complete_nodes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The run's nodes, with their states."""
    return _items(((name, node["state"]) for name, node in _known(ctx)["nodes"].items()), incomplete)


def complete_streams(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The run's streams."""
    return _items(((name, "") for name in _known(ctx)["streams"]), incomplete)


def complete_places(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Nodes, and each with the streams that it takes and makes, as ``node.stream``."""
    status = _known(ctx)
    edges = [
        (f"{edge['to']}.{edge['stream']}", "") for edge in status.get("edges", ()) if edge["to"] in status["nodes"]
    ]
    return _items([*((name, "") for name in status["nodes"]), *edges], incomplete)


def complete_params(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Parameters as ``node.param``, with their values; for ``params set`` with an equals sign behind."""
    equals = "=" if param.name == "settings" else ""
    words = [
        (f"{name}.{key}{equals}", str(value))
        for name, node in _known(ctx)["nodes"].items()
        for key, value in node.get("params", {}).items()
    ]
    return _items(words, incomplete)
