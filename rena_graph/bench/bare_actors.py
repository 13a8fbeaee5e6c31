"""As many Ray actors as a graph has, that do nothing: what the nodes' processes cost before any of our work.

Run as ``python -m rena_graph.bench.bare_actors COUNT [ADDRESS]`` it starts a local Ray, or joins the one at ADDRESS,
makes the actors, prints their process ids as JSON, and holds them until its standard input closes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rena_graph.errors import EnvironmentRefused

__all__ = ["bare_actors"]


class _Bare:
    """Nothing but its process."""

    def pid(self) -> int:
        return os.getpid()


@contextmanager
def bare_actors(count: int, address: str | None = None) -> Iterator[list[int]]:
    """Hold `count` bare actors while the context lasts; gives their process ids once all answer.

    Parameters
    ----------
    count : int
        How many.
    address : str | None
        The Ray to make them on; None for one of their own, as ``ray.init()`` starts it.

    Raises
    ------
    EnvironmentRefused
        They did not come up.
    """
    command = [sys.executable, "-m", "rena_graph.bench.bare_actors", str(count), *([address] if address else [])]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as holder,
    ):
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            answer = holder.stdout.readline()
            if not answer:
                log.seek(0)
                said = log.read().decode(errors="replace")[-2000:]
                raise EnvironmentRefused(f"bare actors did not start:\n{said}")
            yield json.loads(answer)
        except BaseException:
            holder.kill()
            raise
        holder.stdin.close()


def _main(count: int, address: str | None) -> None:
    from rena_graph.runtime.session.local_ray import join_ray, prepare_environment, start_local_ray

    folder = tempfile.TemporaryDirectory(prefix="rgb-")
    if address is None:
        prepare_environment(Path(folder.name) / "token")
        start_local_ray("bare", Path(folder.name) / "ray")
    else:
        join_ray("bare", address)
    import ray  # only now: it reads the environment when it is imported

    made = [ray.remote(_Bare).options(num_cpus=0).remote() for _ in range(count)]
    pids = ray.get([actor.pid.remote() for actor in made])
    sys.stdout.write(json.dumps(pids) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    ray.shutdown()
    folder.cleanup()


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
