"""What somebody outside needs to look at a run's streams: their formats, their ends, and where they are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.interface import StreamPort

if TYPE_CHECKING:
    from rena_graph.runtime.plan import Plan

__all__ = ["describe_streams", "port_of"]


def describe_streams(plan: Plan | None) -> dict[str, Any]:
    """Every stream as JSON-able values; nothing before the run is laid out.

    ``producer`` is the node that makes it, or null; ``source`` the kind of source that lets it in, or null; ``port`` is
    what :func:`port_of` reads.
    """
    if plan is None:
        return {}
    found: dict[str, Any] = {}
    for name, port in plan.ports.items():
        stream, spec = plan.graph.streams[name], port.spec
        found[name] = {
            "channels": spec.channels,
            "dtype": spec.dtype,
            "rate": spec.rate,
            "channel_names": list(spec.channel_names),
            "unit": spec.unit,
            "producer": stream.producer,
            "source": None if stream.source is None else stream.source.source.kind,
            "port": {
                "transport": port.transport,
                "address": port.address,
                "capacity": port.capacity,
                "index": port.index,
            },
        }
    return found


def port_of(name: str, facts: dict[str, Any]) -> StreamPort:
    """The port of one stream, of what :func:`describe_streams` says of it."""
    spec = StreamSpec(
        name, facts["channels"], facts["dtype"], facts["rate"], tuple(facts["channel_names"]), facts["unit"]
    )
    return StreamPort(spec=spec, **facts["port"])
