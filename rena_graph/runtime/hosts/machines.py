"""The hosts of a cluster and what each has: from Ray, or from a file for a cluster that does not exist yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rena_graph.errors import EnvironmentRefused, UsageError

__all__ = ["Machine", "coordinator_first", "machines_of_ray", "read_hosts"]


@dataclass(frozen=True)
class Machine:
    """One host.

    Parameters
    ----------
    name : str
        What a graph's ``host`` may call it; so may its address.
    address : str
        Of the network that the hosts share.
    cpus, gpus : float
        As Ray counts them.
    memory : float
        Bytes.
    labels : mapping
        Ray's node labels, those that Ray gives itself left out.
    node_id : str
        Ray's; empty for a host that is only planned.
    """

    name: str
    address: str
    cpus: float = 0.0
    gpus: float = 0.0
    memory: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    node_id: str = ""

    def called(self, name: str) -> bool:
        """Whether a graph that says ``host: name`` means this one."""
        return name in (self.name, self.address)

    def __str__(self) -> str:
        has = [f"{self.cpus:g} CPU", f"{self.gpus:g} GPU", f"{self.memory / 2**30:.1f} GiB"]
        has += [f"label {key}={value}" for key, value in self.labels.items()]
        shown = self.name if self.name == self.address else f"{self.name} ({self.address})"
        return f"{shown}: {', '.join(has)}"


def machines_of_ray(nodes: Iterable[Mapping[str, Any]]) -> list[Machine]:
    """The living hosts as ``ray.nodes()`` tells them, by address."""
    machines = [
        Machine(
            name=str(node.get("NodeManagerHostname") or node["NodeManagerAddress"]),
            address=str(node["NodeManagerAddress"]),
            cpus=float(node["Resources"].get("CPU", 0)),
            gpus=float(node["Resources"].get("GPU", 0)),
            memory=float(node["Resources"].get("memory", 0)),
            labels={k: v for k, v in (node.get("Labels") or {}).items() if not k.startswith("ray.io/")},
            node_id=str(node["NodeID"]),
        )
        for node in nodes
        if node["Alive"]
    ]
    machines.sort(key=lambda machine: machine.address)
    # Namespaces and containers often share a host name; then only the address tells them apart.
    names = [machine.name for machine in machines]
    return [m if names.count(m.name) == 1 else _renamed(m) for m in machines]


def _renamed(machine: Machine) -> Machine:
    from dataclasses import replace

    return replace(machine, name=machine.address)


def coordinator_first(machines: Sequence[Machine], address: str) -> list[Machine]:
    """The same, the one with this address in front: where the coordinator is, and what has no place of its own.

    Raises
    ------
    EnvironmentRefused
        None has it.
    """
    here = [machine for machine in machines if machine.called(address)]
    if not here:
        raise EnvironmentRefused(
            f"this machine ({address}) is not a host of the cluster; they are "
            f"{', '.join(m.address for m in machines) or 'none'}. Launch on one of them: start Ray here first"
        )
    return [*here, *(machine for machine in machines if machine not in here)]


class _Host(BaseModel):
    model_config = ConfigDict(extra="forbid")
    address: str | None = None
    num_cpus: Annotated[float, Field(ge=0)] = 0.0
    num_gpus: Annotated[float, Field(ge=0)] = 0.0
    memory: Annotated[float, Field(ge=0)] = 0.0
    labels: dict[str, str] = {}


class _Hosts(BaseModel):
    model_config = ConfigDict(extra="forbid")
    hosts: Annotated[dict[str, _Host], Field(min_length=1)]
    coordinator: str | None = None


def read_hosts(path: Path) -> list[Machine]:
    """The hosts in a file such as ``{"hosts": {"lab": {"num_cpus": 8}, "gpu": {"num_gpus": 1}}}``.

    The coordinator's host comes first: the one that ``"coordinator"`` names, or the first.

    Raises
    ------
    UsageError
        It cannot be read, or is not such a file.
    """
    try:
        document = _Hosts.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(map(str, e['loc'])) or 'the document'}: {e['msg']}" for e in error.errors()]
        raise UsageError("\n".join(lines)) from error
    machines = [
        Machine(name, host.address or name, host.num_cpus, host.num_gpus, host.memory, host.labels)
        for name, host in document.hosts.items()
    ]
    first = document.coordinator
    if first is not None and first not in document.hosts:
        raise UsageError(f"{path}: coordinator {first!r} is not one of the hosts {', '.join(document.hosts)}")
    return machines if first is None else coordinator_first(machines, first)
