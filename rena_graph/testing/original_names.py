"""Lets scripts with PhysioLabXR's import names be loaded while a harness lives, and takes the names away again."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable

from rena_graph import compat
from rena_graph.compat.finder import CompatFinder

__all__ = ["lend_names"]

_borrowers = 0
_ours_to_remove = False


def lend_names(owner: object) -> Callable[[], object]:
    """Make ``physiolabxr.*`` and ``rena.*`` importable for as long as `owner` needs them.

    Parameters
    ----------
    owner : object
        When it is garbage, the names are given back by themselves.

    Returns
    -------
    callable
        Gives them back; harmless the second time.
    """
    global _borrowers, _ours_to_remove
    if not _borrowers:
        _ours_to_remove = not any(isinstance(finder, CompatFinder) for finder in sys.meta_path)
    _borrowers += 1
    compat.install()
    return weakref.finalize(owner, _give_back)


def _give_back() -> None:
    global _borrowers
    _borrowers -= 1
    if not _borrowers:
        compat.set_clock(None)
        if _ours_to_remove:
            compat.uninstall()
