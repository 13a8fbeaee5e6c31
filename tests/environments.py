"""Python environments that tests need beside their own: made on demand, and kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["NotToBeHad", "environment", "site_packages"]


class NotToBeHad(Exception):
    """An environment cannot be made here; the text says why."""


def environment(name: str, python: str, installs: Sequence[Sequence[str]], limit: float) -> Path:
    """The folder of an environment; made first, where it is not in the cache.

    Parameters
    ----------
    name : str
        Part of the folder's name.
    python : str
        The interpreter.
    installs : sequence of sequences of str
        Arguments of each ``pip install``.
    limit : float
        Seconds for all of it.

    Raises
    ------
    NotToBeHad
        No package index, no such package for this Python, or not in time.
    """
    version = _version(python)
    words = (name, version, os.path.realpath(python), *(word for step in installs for word in step))
    recipe = hashlib.sha256(" ".join(words).encode()).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rena_graph-tests"
    folder = cache / f"{name}-{recipe[:12]}"
    if not (folder / "complete").exists():
        _make(folder, python, installs, limit)
    return folder


def site_packages(folder: Path) -> Path:
    """Where an environment's packages are."""
    return folder / "lib" / f"python{_version(str(folder / 'bin' / 'python'))}" / "site-packages"


def _version(python: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _make(folder: Path, python: str, installs: Sequence[Sequence[str]], limit: float) -> None:
    """In a folder that gets its name only when it is complete: another run may do the same at this moment."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=folder.parent))
    pip = [str(making / "bin" / "python"), "-m", "pip", "install"]
    pip += ["--quiet", "--retries", "1", "--only-binary", ":all:"]
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    deadline = time.monotonic() + limit
    try:
        for step in ([python, "-m", "venv", str(making)], *([*pip, *install] for install in installs)):
            done = subprocess.run(
                step,
                env=clean,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=max(0.1, deadline - time.monotonic()),
                check=False,
            )
            if done.returncode:
                last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
                raise NotToBeHad(f"{' '.join(step[2:])} failed: {' '.join(last)}")
        (making / "complete").touch()
        if not (folder / "complete").exists():  # else another run was faster, and may be using it
            shutil.rmtree(folder, ignore_errors=True)
            making.rename(folder)
    except subprocess.TimeoutExpired as late:
        raise NotToBeHad(f"making the environment {folder.name} takes longer than {limit:g} s here") from late
    finally:
        shutil.rmtree(making, ignore_errors=True)
