"""The command line: one verb a module, and :func:`main`, which ends with an exit code of the table in ``errors``."""

from __future__ import annotations

from rena_graph.cli.entry import main

__all__ = ["main"]
