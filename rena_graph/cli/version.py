"""``rena-graph version``: the versions of the package and of what it stands on, without importing any of it."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from rena_graph import kernel
from rena_graph.cli.output import columns, write_json, write_line

__all__ = ["PACKAGES", "command", "versions"]

PACKAGES = (
    "ray",
    "pyzmq",
    "pylsl",
    "numpy",
    "networkx",
    "msgpack",
    "pydantic",
    "packaging",
    "click",
    "rich",
    "pyxdf",
    "scipy",
)
"""What is asked for: all that the package depends on, and SciPy, which the extra ``signal`` brings."""


def versions() -> dict[str, str | None]:
    """Versions by distribution name, with ``python``, ``system`` and ``kernel``; None where one is not installed."""
    found: dict[str, str | None] = {
        "rena-graph": metadata.version("rena-graph"),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "kernel": kernel.describe(),
    }
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="As JSON; null where a package is not installed.")
def command(as_json: bool) -> None:
    """Print the versions of rena-graph and what it stands on.

    Attach this to a report; `rena-graph doctor` says more about the machine.
    """
    found = versions()
    if as_json:
        write_json(found)
    else:
        for line in columns((name, value or "not installed") for name, value in found.items()):
            write_line(line)
