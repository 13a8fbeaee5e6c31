"""What is open to others that need not be: a Ray cluster without a token, LSL beyond this machine."""

from __future__ import annotations

import configparser
import os
from collections.abc import Sequence
from pathlib import Path

from rena_graph.cli.examine.finding import Finding, ok, warn

__all__ = ["lsl_reach", "ray_auth"]


def ray_auth() -> Finding:
    """Whether Ray asks for a token, where the environment names a cluster to join."""
    address, mode = os.environ.get("RAY_ADDRESS"), os.environ.get("RAY_AUTH_MODE")
    if mode == "token":
        return ok("Ray access", "behind a token")
    if not address:
        return ok("Ray access", "a run's own Ray is behind a token of its own; no cluster is named")
    return warn(
        "Ray access",
        f"RAY_ADDRESS names {address}, and RAY_AUTH_MODE is {mode or 'not set'}: whoever reaches a cluster without a "
        "token runs code on it",
        "start Ray with RAY_AUTH_MODE=token on every host, and set it here; see docs/security.md",
    )


def lsl_reach(files: Sequence[Path] | None = None) -> Finding:
    """How far LSL looks for streams and announces its own, by the configuration that liblsl would read.

    Parameters
    ----------
    files : sequence of Path | None
        Where it looks, in this order; None for liblsl's own places. The first one that is there counts.
    """
    for path in _lsl_files() if files is None else files:
        config = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            with path.open(encoding="utf-8") as file:
                config.read_file(file)
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError, configparser.Error) as error:
            first = str(error).splitlines()[0]
            return warn("LSL reach", f"{path} cannot be read: {first}", "liblsl may take its defaults instead; mend it")
        scope = config.get("multicast", "ResolveScope", fallback="site")
        return ok("LSL reach", f"{scope}, as {path} says")
    return ok("LSL reach", "site, LSL's default; deploy/lsl_api.cfg keeps it on this machine")


def _lsl_files() -> list[Path]:
    given = os.environ.get("LSLAPICFG")
    home = Path(os.path.expanduser("~"))
    places = [Path("lsl_api.cfg"), home / "lsl_api" / "lsl_api.cfg", Path("/etc/lsl_api/lsl_api.cfg")]
    return [Path(given), *places] if given else places
