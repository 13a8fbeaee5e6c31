"""One Ray for all rows of a benchmark, held by a process of its own, so that no row pays for its start.

Run as ``python -m rena_graph.bench.ray_host FOLDER`` it starts Ray, prints its address, and ends it when its standard
input closes: also when the benchmark was killed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rena_graph.errors import EnvironmentRefused

__all__ = ["local_ray"]

_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": ""}


@contextmanager
def local_ray() -> Iterator[str]:
    """A Ray of one's own while the context lasts; gives its address, and lets this process's children join it.

    Raises
    ------
    EnvironmentRefused
        It did not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="rgb-"))  # short: it holds sockets, whose paths are
    before = {name: os.environ.get(name) for name in _TOKEN}
    command = [sys.executable, "-m", "rena_graph.bench.ray_host", str(folder)]
    try:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            address = holder.stdout.readline().strip()
            if not address:
                raise EnvironmentRefused("Ray did not start for the benchmark; `rena-graph doctor --ray` looks why")
            os.environ.update(_TOKEN, RAY_AUTH_TOKEN_PATH=str(folder / "token"))
            try:
                yield address
            finally:
                holder.stdin.close()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)


def _main(folder: Path) -> None:
    from rena_graph.runtime.session.local_ray import prepare_environment, start_local_ray

    prepare_environment(folder / "token")
    start_local_ray("bench", folder / "ray")
    import ray

    print(ray.get_runtime_context().gcs_address, flush=True)  # noqa: T201 - the answer to who started it
    sys.stdin.read()
    ray.shutdown()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
