"""The ``rena-graph`` command group: a table of verbs, each of whose modules is imported when it is called."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, NamedTuple

import click

from rena_graph.cli.output import write_line

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["COMPLETE_VARIABLE", "PROGRAM", "VERBS", "Verb", "root"]

PROGRAM = "rena-graph"
COMPLETE_VARIABLE = "_RENA_GRAPH_COMPLETE"


class Verb(NamedTuple):
    """Where a verb lives, and its line in the help: so that the help imports none of them."""

    module: str
    help: str


VERBS: dict[str, Verb] = {
    "launch": Verb("rena_graph.cli.launch", "Run a graph, and show it while it runs."),
    "attach": Verb("rena_graph.cli.attach", "Show a run that was launched elsewhere, live."),
    "list": Verb("rena_graph.cli.list", "List the graphs that run on this machine."),
    "status": Verb("rena_graph.cli.status", "Show a run as it is now, or as it ended."),
    "top": Verb("rena_graph.cli.top", "Show all runs of this machine live, or one."),
    "logs": Verb("rena_graph.cli.logs", "Show what a run's scripts print, log and raise."),
    "params": Verb("rena_graph.cli.params", "See and set parameters of a running graph's nodes."),
    "rate": Verb("rena_graph.cli.rate", "Change a node's run frequency while it runs."),
    "pause": Verb("rena_graph.cli.pause", "Let nodes begin no further loop."),
    "resume": Verb("rena_graph.cli.resume", "Let paused nodes go on."),
    "step": Verb("rena_graph.cli.step", "Let a paused node make single loops."),
    "restart": Verb("rena_graph.cli.restart", "Start a node's process anew; the rest of the run goes on."),
    "stream": Verb("rena_graph.cli.stream", "Look at what flows through a running graph's streams."),
    "metrics": Verb("rena_graph.cli.metrics", "Print what a run tells Prometheus."),
    "why": Verb("rena_graph.cli.why", "Say why nothing flows at a place of a running graph."),
    "stop": Verb("rena_graph.cli.stop", "Stop a run in good order."),
    "kill": Verb("rena_graph.cli.kill", "End a run at once."),
    "prune": Verb("rena_graph.cli.prune", "Remove folders of runs that have ended, and unused environments."),
    "validate": Verb("rena_graph.cli.validate", "Check a graph and print every problem with its place."),
    "plan": Verb("rena_graph.cli.plan", "Say on which host each node would run, and why."),
    "graph": Verb("rena_graph.cli.graph", "Draw a graph: text, Mermaid, DOT or SVG."),
    "schema": Verb("rena_graph.cli.schema", "Print the JSON Schema of graph.json, for editors."),
    "streams": Verb("rena_graph.cli.streams", "List the LSL streams on the network now."),
    "import": Verb("rena_graph.cli.import_", "Turn PhysioLabXR's presets into a graph."),
    "new": Verb("rena_graph.cli.new", "Begin a script or a graph from a template that runs."),
    "run-script": Verb("rena_graph.cli.run_script", "Try one script on recorded inputs, without a graph."),
    "demo": Verb("rena_graph.cli.demo", "Run a bundled example and say what it showed."),
    "doctor": Verb("rena_graph.cli.doctor", "Look whether this machine has what runs need."),
    "bench": Verb("rena_graph.cli.bench", "Measure this machine against the floor of the same run."),
    "version": Verb("rena_graph.cli.version", "Print the versions of rena-graph and what it stands on."),
    "completion": Verb("rena_graph.cli.completion", "Print the completion script of a shell."),
}


class LazyGroup(click.Group):
    """A group that knows its verbs by :data:`VERBS` and imports one only to run it, or to show its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order in which they are used."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and give its ``command``; None where there is no such verb."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command = importlib.import_module(verb.module).command
        assert isinstance(command, click.Command), f"{verb.module}.command is not a click command"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown verb is answered with the nearest one."""
        name = args[0]
        if name not in VERBS and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, VERBS, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(VERBS)}."
            ctx.fail(f"{PROGRAM} has no verb {name!r}. {hint}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs that begin with `incomplete`, from the table: completion must be quick."""
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(name, help=verb.help) for name, verb in VERBS.items() if name.startswith(incomplete)]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table's own lines, so that no verb is imported."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


def _print_version(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        write_line(f"{PROGRAM} {version('rena-graph')}")
        ctx.exit()


@click.group(
    PROGRAM,
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="VERB [ARGUMENTS]...",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
              help="Print the version and exit.")  # fmt: skip
def root() -> None:
    """Run live (bio)signal scripts as a graph: LSL and ZMQ at the edges, Ray underneath.

    \b
    rena-graph demo                    see it work, without any hardware
    rena-graph new graph my-study      begin one of your own
    rena-graph launch my-study.json    run it
    """
