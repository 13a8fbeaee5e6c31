"""Loading pylsl, with liblsl's own log kept out of the user's terminal."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

from rena_graph.errors import MissingExtra

__all__ = ["load_pylsl", "quiet_configuration"]

logger = logging.getLogger(__name__)

_QUIET = "\n[log]\nlevel = -3\n"
"""Fatal errors only: what liblsl says of lost and recovered streams, our own log says too, with the stream's name."""


@functools.cache
def load_pylsl() -> Any:
    """The module ``pylsl``; liblsl writes nothing to stderr, unless the user's LSL configuration says what it logs.

    Where something else loaded pylsl before, liblsl has its configuration already and is left alone.

    Raises
    ------
    MissingExtra
        pylsl is not installed, or finds no liblsl.
    """
    loaded = sys.modules.get("pylsl")
    if loaded is not None:
        return loaded
    try:
        import pylsl
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingExtra(
            f"LSL cannot be used: {error}. Install pylsl 1.18 or later, which brings liblsl: pip install 'pylsl>=1.18'"
        ) from error
    # Older versions have no such function; liblsl then says its two lines at the start.
    set_content = getattr(pylsl, "set_config_content", None)
    if set_content is not None:
        content = quiet_configuration(_user_configuration())
        if content is not None:
            set_content(content)
    return pylsl


def quiet_configuration(own: str | None) -> str | None:
    """The user's LSL configuration with logging turned off; None where it has a ``[log]`` section of its own."""
    if own is None:
        return _QUIET
    return None if re.search(r"^\s*\[log\]", own, re.MULTILINE) else own + _QUIET


def _user_configuration() -> str | None:
    """The text of the configuration file that liblsl would read, if there is one. The places are liblsl's."""
    candidates = [Path("lsl_api.cfg"), Path("~/lsl_api/lsl_api.cfg"), Path("/etc/lsl_api/lsl_api.cfg")]
    named = os.environ.get("LSLAPICFG")
    for path in [Path(named), *candidates] if named else candidates:
        try:
            return path.expanduser().read_text(encoding="utf-8", errors="surrogateescape")
        except (OSError, RuntimeError) as error:
            logger.debug("no LSL configuration in %s: %s", path, error)
    return None
