"""Compiles the kernel, where there is a C compiler; the install runs this, which therefore needs nothing else.

``python -m rena_graph.kernel`` does the same for a working tree, beside the sources.
"""

from __future__ import annotations

import hashlib
import platform
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

__all__ = ["build", "digest", "file_name"]

_OPTIONS = ("-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=off")
"""The last: a multiplication and an addition round as numpy's do, each for itself."""


def digest(folder: Path) -> str:
    """What the sources in `folder` are known by, so that a kernel of other sources is not taken for theirs."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.[ch]")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def file_name() -> str:
    """The kernel's file, as this interpreter looks for it."""
    return "_core" + str(sysconfig.get_config_var("EXT_SUFFIX"))


def build(folder: Path, target: Path) -> str:
    """Compile the sources in `folder` to `target`.

    Returns
    -------
    str
        Why there is no kernel now, in one line; empty where there is one.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64" or platform.python_implementation() != "CPython":
        return "it is for CPython on Linux on x86-64"
    compiler = shlex.split(str(sysconfig.get_config_var("CC") or "cc"))
    spare = target.with_suffix(".new")
    command = [
        *compiler, *_OPTIONS, f'-DRENA_GRAPH_SOURCE="{digest(folder)}"', f"-I{sysconfig.get_paths()['include']}",
        *map(str, sorted(folder.glob("*.c"))), "-o", str(spare),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    except OSError as error:
        return f"no C compiler: {error}"
    if done.returncode:
        spare.unlink(missing_ok=True)
        return f"{compiler[0]} failed: {(done.stderr.strip() or 'without a word').splitlines()[-1]}"
    spare.replace(target)
    return ""
