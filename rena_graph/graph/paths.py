"""Turns the paths of a document into files, and keeps them inside of the folders that were allowed."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["FoundFile", "find_file"]


@dataclass(frozen=True)
class FoundFile:
    """What a path of the document leads to.

    Parameters
    ----------
    path : Path
        The absolute path, links followed.
    state : {'file', 'missing', 'outside', 'not a file', 'unreadable'}
        ``outside`` is said before anything of the file was looked at.
    detail : str
        For messages: the reason.
    """

    path: Path
    state: Literal["file", "missing", "outside", "not a file", "unreadable"]
    detail: str = ""


def find_file(folder: Path, allowed: Sequence[Path], name: str) -> FoundFile:
    """Look for the file `name`, relative to `folder`, inside of `folder` or one of the `allowed` ones.

    Parameters
    ----------
    folder, allowed : Path, sequence of Path
        Absolute and free of links.
    """
    try:
        path = Path(os.path.realpath(folder / name))
    except (OSError, ValueError) as error:
        return FoundFile(folder / name, "unreadable", str(error))
    if not any(path.is_relative_to(root) for root in (folder, *allowed)):
        return FoundFile(path, "outside", f"it is {path}")
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return FoundFile(path, "missing", f"there is no {path}")
    except OSError as error:
        return FoundFile(path, "unreadable", error.strerror or str(error))
    if not stat.S_ISREG(mode):
        return FoundFile(path, "not a file", "it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file")
    if not os.access(path, os.R_OK):
        return FoundFile(path, "unreadable", "permission denied")
    return FoundFile(path, "file")
