"""Which peers are installed, and what to say of those that are not."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PEER_NAMES", "find_interpreter", "what_is_missing"]

SETUP = Path(__file__).with_name("setup.sh")
PEER_NAMES = {"ezmsg": "ezmsg", "dora": "dora-rs", "timeflux": "timeflux", "physiolabxr": "PhysioLabXR"}
"""What each environment's peer is called."""


def find_interpreter(peer: str, peers: Path | None) -> Path | None:
    """The interpreter of the peer's environment below the folder `peers`; None where there is none."""
    if peers is None:
        return None
    interpreter = peers / peer / "bin" / "python"
    return interpreter if interpreter.exists() else None


def what_is_missing(peer: str, peers: Path | None) -> str:
    """What to say, and to do, where :func:`find_interpreter` finds nothing."""
    name = PEER_NAMES[peer]
    if peers is None:
        return f"{name} is not installed: `PEER_VENVS=DIR {SETUP} {peer}` installs it, --peers DIR then finds it"
    return f"{name} is not installed in {peers}: `PEER_VENVS={peers} {SETUP} {peer}` installs it"
