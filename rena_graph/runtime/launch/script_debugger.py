"""The debugger of a script: it stops there and in what the script calls, wherever a Ctrl-C finds the process."""

from __future__ import annotations

import pdb
from pathlib import Path
from types import FrameType

__all__ = ["ScriptDebugger"]

_OURS = "rena_graph"
_INSTALLED = {"site-packages", "dist-packages"}


class ScriptDebugger(pdb.Pdb):
    """Passes over this package and the libraries that it calls: a Ctrl-C comes as often there as in the script.

    Parameters
    ----------
    script : Path
        Absolute. What lies in its folder, and is not installed there, is the script's.
    """

    def __init__(self, script: Path) -> None:
        super().__init__(skip=[f"{_OURS}.*"])
        self._folder = script.parent

    def stop_here(self, frame: FrameType) -> bool:
        """Whether to stop at a line of this frame; asked where nobody set a breakpoint."""
        return bool(super().stop_here(frame)) and self._is_of_script(frame)

    def _is_of_script(self, frame: FrameType | None) -> bool:
        """Whether the script comes before this package among the callers."""
        while frame is not None:
            if str(frame.f_globals.get("__name__")).partition(".")[0] == _OURS:
                return False
            file = Path(frame.f_code.co_filename)
            if file.is_relative_to(self._folder) and _INSTALLED.isdisjoint(file.parts):
                return True
            frame = frame.f_back
        return False
