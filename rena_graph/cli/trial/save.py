"""Writes what a script sent as recordings: NPZ files that a graph's source, or the next trial, reads again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rena_graph.errors import EnvironmentRefused, UsageError
from rena_graph.testing.outlets import Sent

__all__ = ["save_outputs"]


def save_outputs(sent: Mapping[str, Sent], declared: Mapping[str, Mapping[str, Any]], path: Path) -> list[Path]:
    """Write each output: to `path` where it is the only one, else to a file beside it with the output's name in it.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    UsageError
        There is no output, or the file's name does not end in ``.npz``.
    EnvironmentRefused
        A file cannot be written.
    """
    if path.suffix.lower() != ".npz":
        raise UsageError(f"--save {path}: an NPZ file is written, so let its name end in .npz")
    if not sent:
        raise UsageError("--save: the script has no outputs; declare them, for instance --output NAME=8:float32:250")
    written = []
    for index, (name, (data, timestamps)) in enumerate(sent.items()):
        file = path if len(sent) == 1 else path.with_name(f"{path.stem}.{_fit_for_files(name, index)}.npz")
        plain = data.astype(str) if data.dtype == object else data  # so that nothing has to be unpickled
        try:
            np.savez(file, data=plain, timestamps=timestamps, rate=np.array(float(declared[name]["rate"])))
        except OSError as error:
            raise EnvironmentRefused(f"cannot write {file}: {error.strerror or error}") from error
        written.append(file)
    return written


def _fit_for_files(name: str, index: int) -> str:
    """A stream's name may hold any character; where one has to be replaced, a number keeps names apart."""
    fit = re.sub(r"[^\w.+ -]", "_", name)
    return fit if fit == name else f"{fit}-{index}"
