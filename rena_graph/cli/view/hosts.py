"""The hosts of a run that has several, and which of them are there, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rena_graph.cli.view.numbers import duration

__all__ = ["host_lines"]


def host_lines(hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line that names all; none of a run on one host, or of one that does not tell."""
    known = [_host(name, host) for name, host in hosts.items() if host.get("state") is not None]
    return [f"hosts: {', '.join(known)}"] if len(known) > 1 else []


def _host(name: str, host: Mapping[str, Any]) -> str:
    text = f"{name} {host['state']}"
    if host["state"] in ("silent", "lost"):
        text += f" for {duration(host['silent_for'])}"
        text += f" ({host['why']})" if host.get("why") else ""
    return text
