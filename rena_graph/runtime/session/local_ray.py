"""A Ray for one run alone, on this machine: quiet, behind a token, and without anything that a run does not use."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from rena_graph.errors import EnvironmentRefused

__all__ = ["join_ray", "prepare_environment", "start_local_ray"]

OBJECT_STORE_BYTES = 80 << 20
"""Ray's smallest; no sample ever goes through it."""


def prepare_environment(token_file: Path | None) -> None:
    """Set what Ray reads from the environment, before it is imported; the processes that it starts inherit it.

    Parameters
    ----------
    token_file : Path | None
        Where a token of the run's own goes (mode 0600); None to leave the user's settings for an existing cluster.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ["RAY_DEDUP_LOGS"] = "0"
    if token_file is not None:
        fd = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, secrets.token_hex(32).encode())
        finally:
            os.close(fd)
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token_file)
        os.environ.pop("RAY_AUTH_TOKEN", None)
        os.environ.pop("RAY_ADDRESS", None)


def start_local_ray(namespace: str, temp: Path) -> None:
    """Start Ray and join it as its driver.

    Raises
    ------
    EnvironmentRefused
        Ray did not come up.
    """
    import ray

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
