"""Makes an environment with ``physiolabxr`` 1.1.3, once a machine, and asks the package in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.original.coding import pack, unpack

VERSION = "1.1.3"
REQUIREMENTS = ("numpy~=1.26.0", "scipy~=1.11.0")
"""What the modules that are compared import, as the package itself pins it; the rest, PyQt above all, is not needed."""

TIME_LIMIT = 90.0
"""Seconds for the whole installation."""

SERVER = "tests.original.server"


class NotToBeHad(Exception):
    """The package cannot be installed here; the text says why."""


def interpreter() -> str:
    """A Python for which numpy 1.26 and SciPy 1.11 have wheels: this one, or an older one on the path."""
    if sys.version_info.minor < 13:
        return sys.executable
    for name in ("python3.12", "python3.11", "python3.10"):
        found = shutil.which(name)
        if found is not None and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    raise NotToBeHad("physiolabxr 1.1.3 needs NumPy 1.26, and that a Python before 3.13: there is none on the path")


def site_packages() -> Path:
    """The environment's ``site-packages``; made first, where it is not in the cache.

    Raises
    ------
    NotToBeHad
        No such Python, no package index, or not in time.
    """
    python = interpreter()
    version = subprocess.run(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=True
    ).stdout.strip()
    recipe = hashlib.sha256(" ".join((VERSION, version, os.path.realpath(python), *REQUIREMENTS)).encode()).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rena_graph-tests"
    folder = cache / f"physiolabxr-{VERSION}-{recipe[:12]}"
    if not (folder / "complete").exists():
        _install(python, folder)
    return folder / "lib" / f"python{version}" / "site-packages"


def _install(python: str, folder: Path) -> None:
    """Into a folder that gets its name only when it is complete: another run may do the same at this moment."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=folder.parent))
    pip = [str(making / "bin" / "python"), "-m", "pip", "install"]
    pip += ["--quiet", "--retries", "1", "--only-binary", ":all:"]
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    deadline = time.monotonic() + TIME_LIMIT
    try:
        for step in (
            [python, "-m", "venv", str(making)],
            [*pip, *REQUIREMENTS],
            [*pip, "--no-deps", f"physiolabxr=={VERSION}"],
        ):
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
        raise NotToBeHad(f"installing physiolabxr {VERSION} takes longer than {TIME_LIMIT:g} s here") from late
    finally:
        shutil.rmtree(making, ignore_errors=True)


class Original:
    """The package, asked over pipes."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self._process = subprocess.Popen(
            [str(site.parents[2] / "bin" / "python"), "-W", "ignore", "-m", SERVER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip

    def ask(self, what: str, **about: Any) -> Any:
        """Let ``server.py``'s function `what` answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"what": what, "about": pack(about)}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the original's server died of {what} with {about}"
        return unpack(json.loads(answer))

    def close(self) -> None:
        """End the server: by the end of its input."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
