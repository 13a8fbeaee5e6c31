"""A Ray for one run alone, on this machine: quiet, behind a token, and without anything that a run does not use."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rena_graph.errors import EnvironmentRefused

__all__ = ["join_ray", "prepare_environment", "settle_environment", "start_local_ray"]

OBJECT_STORE_BYTES = 80 << 20
"""Ray's smallest; no sample ever goes through it."""
_CONNECTING = {"RAY_raylet_client_connect_timeout_milliseconds": "20", "RAY_raylet_client_num_connect_attempts": "500"}
"""A host process looks for the object store that it has just started, and now and then is a moment too early. Left
alone it then waits for a whole second, ten times at most."""
PRELOAD = "RAY_preload_python_modules"
"""Where Ray's host process reads what workers are to import beforehand; one that is missing there harms nobody."""


def settle_environment(own: bool) -> None:
    """Set what Ray reads from the environment when it is imported; the processes that it starts inherit it.

    Parameters
    ----------
    own : bool
        Whether it is to be a Ray of the run's own; not to leave the user's settings for an existing cluster.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ["RAY_DEDUP_LOGS"] = "0"
    if own:
        if _CONNECTING.keys().isdisjoint(os.environ):
            os.environ.update(_CONNECTING)
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.pop("RAY_AUTH_TOKEN", None)
        os.environ.pop("RAY_ADDRESS", None)


def prepare_environment(token_file: Path | None) -> None:
    """The same, and the token, which Ray reads when it is started or joined.

    Parameters
    ----------
    token_file : Path | None
        Where a token of the run's own goes (mode 0600); None to leave the user's settings for an existing cluster.
    """
    settle_environment(token_file is not None)
    if token_file is not None:
        fd = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, secrets.token_hex(32).encode())
        finally:
            os.close(fd)
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token_file)


def start_local_ray(namespace: str, temp: Path, preload: Sequence[str] = ()) -> None:
    """Start Ray and join it as its driver.

    Parameters
    ----------
    namespace : str
        What this process makes goes there.
    temp : Path
        Ray's folder: logs, sockets.
    preload : sequence of str
        Modules that each worker process imports while it waits for work. Ray starts as many as there are cores at once,
        before it is known what for. A Ray that does not know how lets those import it that need it.

    Raises
    ------
    EnvironmentRefused
        Ray did not come up.
    """
    import ray

    wanted = os.environ.get(PRELOAD, "").split(",") if os.environ.get(PRELOAD) else []
    if preload:
        os.environ[PRELOAD] = ",".join([*wanted, *preload])
    try:
        ray.init(
            namespace=namespace,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=str(temp),
        )
    except (RuntimeError, ConnectionError, OSError, ValueError, TimeoutError) as error:
        raise EnvironmentRefused(f"Ray did not start on this machine: {error}") from error


def join_ray(namespace: str, address: str) -> None:
    """Join a Ray that runs already.

    Raises
    ------
    EnvironmentRefused
        There is none, it has another version, or the token does not fit.
    """
    import ray

    options: dict[str, Any] = {"address": address, "namespace": namespace, "log_to_driver": False}
    try:
        ray.init(**options, configure_logging=False)
    except (RuntimeError, ConnectionError, OSError, ValueError, TimeoutError) as error:
        raise EnvironmentRefused(
            f"no Ray to join at {address!r}: {error}\nstart one there with `ray start --head`, or use --address local"
        ) from error
