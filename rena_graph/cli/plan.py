"""``rena-graph plan``: where each node would run, and what would flow between the hosts; starts nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rena_graph.cli.options import allow_code_option, graph_argument, json_option, ray_address
from rena_graph.cli.output import write_json, write_line
from rena_graph.errors import UsageError

if TYPE_CHECKING:
    from rena_graph.runtime.hosts.machines import Machine
    from rena_graph.runtime.hosts.planner import Placement

__all__ = ["command"]


@click.command("plan")
@graph_argument
@click.option(
    "--address",
    metavar="auto|HOST:PORT",
    callback=lambda ctx, param, value: value if value is None else ray_address(ctx, param, value),
    help="The Ray cluster whose hosts are meant; this machine must be one of them.",
)
@click.option(
    "--hosts",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A JSON file with the hosts, for a cluster that does not exist yet.",
)
@json_option("Print the plan as JSON.")
@allow_code_option
def command(graph: Path, address: str | None, hosts: Path | None, as_json: bool, allow_code: tuple[Path, ...]) -> None:
    """Say on which host each node of the graph in the file GRAPH would run, and how much would flow between them.

    What the graph says of a place (host, labels, CPUs, GPUs, memory, near) is kept to; the rest is placed so that as
    little as possible flows between hosts. Nothing is started.

    The hosts come from a running Ray cluster (--address), or from a file such as

    \b
    {"hosts": {"lab": {"num_cpus": 8, "labels": {"device": "eeg"}},
               "gpu": {"num_cpus": 16, "num_gpus": 1}}}

    of which the first is where the coordinator would be.
    """
    from rena_graph.cli.dry_run import read_recordings
    from rena_graph.graph.load import load_graph
    from rena_graph.graph.requirements import requirements_text
    from rena_graph.runtime.hosts.environment import has_own
    from rena_graph.runtime.hosts.planner import place

    if (address is None) == (hosts is None):
        raise UsageError("say which hosts are meant: either --address (a running Ray) or --hosts (a file)")
    loaded = read_recordings(load_graph(graph, allow_code=allow_code))
    if hosts is not None:
        from rena_graph.runtime.hosts.machines import read_hosts

        machines = read_hosts(hosts)
    else:
        assert address is not None
        if address == "local":
            raise UsageError("a local Ray has one host, so that there is nothing to place: give auto or HOST:PORT")
        machines = _machines(address)
    placement = place(loaded, machines)
    packages = {
        name: {"pip": requirements_text(loaded, name).splitlines(), "environment": loaded.nodes[name].environment}
        for name in loaded.nodes
        if has_own(loaded, name)
    }
    if as_json:
        write_json({**as_dict(placement), "packages": packages})
        return
    from rena_graph.cli.view.placement import placement_lines
    from rena_graph.cli.view.plan import package_lines

    for line in [*placement_lines(loaded.name, placement), *package_lines(packages)]:
        write_line(line)


def _machines(address: str) -> list[Machine]:
    import ray

    from rena_graph.runtime.hosts.machines import coordinator_first, machines_of_ray
    from rena_graph.runtime.session.local_ray import join_ray, prepare_environment

    prepare_environment(None)
    join_ray("rena-graph-plan", address)
    try:
        return coordinator_first(machines_of_ray(ray.nodes()), ray.util.get_node_ip_address())
    finally:
        ray.shutdown()


def as_dict(placement: Placement) -> dict[str, Any]:
    """The plan as JSON has it; megabits a second, null where they cannot be known before."""
    links: dict[tuple[str, str], float] = {}
    for crossing in placement.crossings:
        pair = (crossing.source, crossing.target)
        links[pair] = links.get(pair, 0.0) + (crossing.bits or 0.0)
    return {
        "coordinator": placement.machines[0].name,
        "nodes": placement.nodes,
        "streams": placement.streams,
        "crossings": [
            {"stream": c.stream, "from": c.source, "to": c.target, "mbit": None if c.bits is None else c.bits / 1e6}
            for c in placement.crossings
        ],
        "links": [{"from": a, "to": b, "mbit": bits / 1e6} for (a, b), bits in links.items()],
    }
