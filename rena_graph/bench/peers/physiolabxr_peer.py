"""Where the peer PhysioLabXR is, if it is installed."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PEER", "find_interpreter", "what_is_missing"]

PEER = Path(__file__).with_name("physiolabxr_buffer.py")
SETUP = Path(__file__).with_name("setup.sh")


def find_interpreter(peers: Path | None) -> Path | None:
    """The interpreter of PhysioLabXR's environment below the folder `peers`; None where there is none."""
    if peers is None:
        return None
    interpreter = peers / "physiolabxr" / "bin" / "python"
    return interpreter if interpreter.exists() else None


def what_is_missing(peers: Path | None) -> str:
    """What to say, and to do, where :func:`find_interpreter` finds nothing."""
    if peers is None:
        return f"PhysioLabXR is not installed: `PEER_VENVS=DIR {SETUP}` installs it, --peers DIR then finds it"
    return f"PhysioLabXR is not installed in {peers}: `PEER_VENVS={peers} {SETUP}` installs it"
