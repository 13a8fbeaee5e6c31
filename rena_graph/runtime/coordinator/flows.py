"""What somebody outside needs to look at a run's streams: their formats, their ends, and where they are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.interface import StreamPort

if TYPE_CHECKING:
    from rena_graph.runtime.plan import Plan

__all__ = ["describe_streams", "port_of", "spec_of"]


def describe_streams(plans: Mapping[str, Plan], here: str, made_on: Mapping[str, str]) -> dict[str, Any]:
    """Every stream as JSON-able values; nothing before the run is laid out.

    ``producer`` is the node that makes it, or null; ``source`` the kind of source that lets it in, or null; ``host``
    where that is; ``port`` is what :func:`port_of` reads, its ``address`` null where no ring of this host has it.

    Parameters
    ----------
    plans : mapping of str to Plan
        Of each host.
    here : str
        The coordinator's.
    made_on : mapping of str to str
        The host of each stream.
    """
    if here not in plans:
        return {}
    found: dict[str, Any] = {}
    for name, stream in plans[here].graph.streams.items():
        is_here = name in plans[here].ports
        port = plans[here if is_here else made_on[name]].ports[name]
        spec = port.spec
        found[name] = {
            "channels": spec.channels,
            "dtype": spec.dtype,
            "rate": spec.rate,
            "channel_names": list(spec.channel_names),
            "unit": spec.unit,
            "producer": stream.producer,
            "source": None if stream.source is None else stream.source.source.kind,
            "host": made_on[name],
            "port": {
                "transport": port.transport,
                "address": port.address if is_here else None,
                "capacity": port.capacity,
                "index": port.index,
            },
        }
    return found


def spec_of(name: str, facts: Mapping[str, Any]) -> StreamSpec:
    """The format of one stream, of what :func:`describe_streams` says of it."""
    names = tuple(facts["channel_names"])
    return StreamSpec(name, facts["channels"], facts["dtype"], facts["rate"], names, facts["unit"])


def port_of(name: str, facts: Mapping[str, Any]) -> StreamPort:
    """Its port, where this host has one."""
    return StreamPort(spec=spec_of(name, facts), **facts["port"])
