"""Whether the hosts of a run can run it together: looked at before anything is made, all problems at once.

Each host but the coordinator's is asked by a small Ray task that is pinned to it. The task is plain Python, so that it
runs where rena_graph is not installed as well, and can say so.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from rena_graph.errors import EnvironmentRefused
from rena_graph.graph.model import Graph

__all__ = ["ANSWER_WITHIN", "HostFacts", "check_hosts", "look", "problems"]

ANSWER_WITHIN = 60.0
"""Seconds that a host's Ray has to start a process and answer; the first one of a host takes a few."""

_INSTALL = "install the same on all hosts"


@dataclass(frozen=True)
class HostFacts:
    """What a host is, as far as a run needs to know.

    Parameters
    ----------
    python, ray, rena_graph : str | None
        Versions, of Python without its patch level; None where a package is not there.
    code : str | None
        Hash of rena_graph's own source: two checkouts of one version may differ.
    no_ring : str | None
        Why shared-memory rings do not work there; None where they do.
    missing : tuple of str
        Files out of those asked for that are not there, or cannot be read.
    unusable : tuple of str
        Environments out of those asked for that are not there, each with the reason.
    """

    python: str | None
    ray: str | None
    rena_graph: str | None
    code: str | None
    no_ring: str | None = None
    missing: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()


Needs = tuple[list[str], list[str]]
"""What a host must have: files, and Python environments."""
Ask = Callable[[Mapping[str, str], Mapping[str, Needs]], dict[str, HostFacts | str]]
"""From the addresses of hosts, and what each must have, to what each is, or why that is not known."""


def check_hosts(
    graph: Graph,
    addresses: Mapping[str, str],
    here: str,
    streams: Mapping[str, str],
    nodes: Mapping[str, str],
    *,
    ask: Ask | None = None,
) -> None:
    """Raise unless all hosts of a run have the same software, rings, and the recordings and environments asked for.

    To be called in the coordinator, or any other process that is part of the Ray cluster, once it is known who is on
    which host and before anything is made there. A run of one host asks nobody. It blocks for as long as the hosts
    take to answer, at most :data:`ANSWER_WITHIN`.

    Parameters
    ----------
    graph : Graph
        What is to run.
    addresses : mapping of str to str
        Of each host that has something to do, by its name; the coordinator's too.
    here : str
        The name of the coordinator's: what the others are compared with.
    streams : mapping of str to str
        The host where each external stream comes in.
    nodes : mapping of str to str
        The host of each node.
    ask : callable, optional
        Who asks the other hosts; Ray where left out.

    Raises
    ------
    EnvironmentRefused
        Says for each host what it has and what is wanted, and what to do about it.
    """
    others = {name: address for name, address in addresses.items() if name != here}
    if not others:
        return
    recordings, environments = _recordings(graph, streams), _environments(graph, nodes)
    needs = {name: (recordings.get(name, []), environments.get(name, [])) for name in addresses}
    found = (_ask_ray if ask is None else ask)(others, {name: needs[name] for name in others})
    wrong = problems(HostFacts(**look(*needs[here])), here, found)
    if wrong:
        raise EnvironmentRefused("\n".join(["the hosts of this graph cannot run it together:", *wrong]))


def problems(wanted: HostFacts, here: str, found: Mapping[str, HostFacts | str]) -> list[str]:
    """What keeps these hosts from running a graph together, each as a line of its own. Pure.

    Parameters
    ----------
    wanted : HostFacts
        What the coordinator's host is.
    here : str
        Its name.
    found : mapping
        What the others are; text says why that is not known.
    """
    lines = [*_of_itself(here, wanted)]
    for host, facts in found.items():
        if isinstance(facts, str):
            lines.append(f"  {host} could not be asked: {facts}")
            continue
        for name in ("python", "ray", "rena_graph"):
            lines += _differs(host, here, name, getattr(facts, name), getattr(wanted, name))
        same = facts.rena_graph is not None and facts.rena_graph == wanted.rena_graph
        if same and facts.code != wanted.code:
            lines.append(
                f"  {host} has other source files of rena_graph {facts.rena_graph} than {here} (by their hash: "
                f"{_short(facts.code)}, wanted {_short(wanted.code)}); {_INSTALL}"
            )
        lines += _of_itself(host, facts)
    return lines


def _differs(host: str, here: str, name: str, has: str | None, wanted: str | None) -> list[str]:
    if has == wanted:
        return []
    shown = "Python" if name == "python" else name
    what = f"has no {shown}" if has is None else f"has {shown} {has}"
    return [f"  {host} {what}, {here} has {wanted}; {_INSTALL}"]


def _of_itself(host: str, facts: HostFacts) -> Iterable[str]:
    if facts.no_ring is not None and facts.rena_graph is not None:
        yield f"  {host} has no shared-memory rings, which a graph of several hosts needs on each: {facts.no_ring}"
    for path in facts.missing:
        yield f"  {host} has no {path}, which is to be played there; copy it there, or give the stream another host"
    for environment in facts.unusable:
        yield f"  {host} {environment}, the environment of a node; make it there, or give the node another host"


def _short(digest: str | None) -> str:
    return "none" if digest is None else digest[:12]


def _recordings(graph: Graph, streams: Mapping[str, str]) -> dict[str, list[str]]:
    """For each host the recordings that are to be there."""
    found: dict[str, list[str]] = {}
    for name, host in streams.items():
        source = graph.streams[name].source
        if source is not None and source.source.recording is not None:
            path = os.path.normpath(graph.folder / source.source.recording.path)
            found.setdefault(host, []).append(path)
    return found


def _environments(graph: Graph, nodes: Mapping[str, str]) -> dict[str, list[str]]:
    """For each host the Python environments that are to be there."""
    found: dict[str, list[str]] = {}
    for name, host in nodes.items():
        path = graph.nodes[name].environment
        if path is not None and path not in found.setdefault(host, []):
            found[host].append(path)
    return found


def interpreter_of(environment: str) -> str | None:
    """The interpreter that an environment's path stands for; None where there is none."""
    inside = os.path.join(environment, "bin", "python")
    found = inside if os.path.isdir(environment) else environment
    return found if os.path.isfile(found) and os.access(found, os.X_OK) else None


# -- on the host that is looked at ---------------------------------------------------------------------
def look(files: list[str], environments: list[str] | None = None) -> dict[str, Any]:
    """What :class:`HostFacts` holds, of the host and in the Python that this runs in. Free of imports of our own.

    Parameters
    ----------
    files : list of str
        Absolute paths that are to be there.
    environments : list of str
        Folders or interpreters that are to be there, and of this Python's minor version.
    """
    import hashlib
    import importlib.util
    import os
    import subprocess
    import sys
    from importlib import metadata
    from pathlib import Path

    def version(package: str) -> str | None:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            return None

    wanted = f"{sys.version_info[0]}.{sys.version_info[1]}"

    def unusable(path: str) -> str | None:
        python = os.path.join(path, "bin", "python") if os.path.isdir(path) else path
        if not os.path.isfile(python):
            return f"has no {path}"
        words = [python, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.SubprocessError) as error:
            return f"cannot run {python} ({error})"
        has = done.stdout.strip()
        return None if has == wanted else f"has Python {has or 'that does not run'} in {path}, not {wanted}"

    facts: dict[str, Any] = {
        "python": wanted,
        "ray": version("ray"),
        "rena_graph": version("rena-graph"),
        "code": None,
        "no_ring": None,
        "missing": tuple(path for path in files if not (os.path.isfile(path) and os.access(path, os.R_OK))),
        "unusable": tuple(text for path in environments or () if (text := unusable(path)) is not None),
    }
    spec = importlib.util.find_spec("rena_graph")
    if spec is None or spec.origin is None:
        return {**facts, "rena_graph": None}
    root = Path(spec.origin).parent
    whole = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if not name.startswith("_graphs/"):  # the examples, which an installed one has inside
            whole.update(f"{name}:{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    facts["code"] = whole.hexdigest()
    try:
        from rena_graph.transport.probe import ring_available

        facts["no_ring"] = ring_available()
    except Exception as error:  # noqa: BLE001 - whatever keeps it from loading there is what is to be told
        facts["no_ring"] = f"rena_graph cannot be loaded: {type(error).__name__}: {error}"
    return facts


# -- by way of Ray -------------------------------------------------------------------------------------
def _ask_ray(addresses: Mapping[str, str], needs: Mapping[str, Needs]) -> dict[str, HostFacts | str]:
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    # As if it stood in no module, so that it travels by value: by its name it would not load where we are missing.
    # Its one default is given with every call.
    task = ray.remote(FunctionType(look.__code__, {"__builtins__": builtins, "__name__": "__main__"}, "look"))
    # To ask twice does no harm, and a worker of Ray's may end of itself just when it is asked.
    asked = {
        host: task.options(num_cpus=0, max_retries=2, resources={f"node:{address}": 0.001}).remote(*needs[host])
        for host, address in addresses.items()
    }
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=ANSWER_WITHIN)
    found: dict[str, HostFacts | str] = {}
    for host, answer in asked.items():
        try:
            found[host] = HostFacts(**ray.get(answer, timeout=0.1))
        except RayError as error:
            ray.cancel(answer, force=True)
            late = isinstance(error, GetTimeoutError)
            found[host] = f"it did not answer within {ANSWER_WITHIN:g} s" if late else str(error).strip()
    return found
