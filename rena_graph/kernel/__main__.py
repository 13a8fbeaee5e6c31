"""``python -m rena_graph.kernel`` compiles the kernel beside its sources, for a working tree that has changed."""

from __future__ import annotations

from pathlib import Path

from rena_graph.kernel.building import build, file_name

if __name__ == "__main__":
    folder = Path(__file__).parent
    if reason := build(folder, folder / file_name()):
        raise SystemExit(reason)
