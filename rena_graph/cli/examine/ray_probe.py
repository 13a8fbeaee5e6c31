"""A process that starts a Ray as ``launch`` does, calls one actor, says how long that took, and ends it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(folder: Path) -> str:
    """Start and end a Ray whose files lie in `folder`; gives what to tell the user."""
    from rena_graph.runtime.session.local_ray import prepare_environment, start_local_ray

    prepare_environment(folder / "token")
    began = time.monotonic()
    start_local_ray("rena-graph-doctor", folder / "ray")
    import ray

    try:
        started = time.monotonic()
        actor: Any = ray.remote(_Echo).options(num_cpus=0).remote()
        answered = ray.get(actor.pid.remote(), timeout=60.0)
        if answered == os.getpid():
            raise RuntimeError("the actor answered from the caller's own process")
        return f"starts in {started - began:.1f} s, a first actor in {time.monotonic() - started:.1f} s more"
    finally:
        ray.shutdown()


class _Echo:
    """An actor that says which process it is."""

    def pid(self) -> int:
        return os.getpid()


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
