"""Makes an environment with ``physiolabxr`` 1.1.3, once a machine, and asks the package in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests import environments
from tests.conftest import ROOT
from tests.environments import NotToBeHad, environment
from tests.limits import LIMIT
from tests.original.coding import pack, unpack

VERSION = "1.1.3"
REQUIREMENTS = ("numpy~=1.26.0", "scipy~=1.11.0")
"""What the modules that are compared import, as the package itself pins it; the rest, PyQt above all, is not needed."""

TIME_LIMIT = 90.0
"""Seconds for the whole installation."""

SERVER = "tests.original.server"


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
    installs = (REQUIREMENTS, ("--no-deps", f"physiolabxr=={VERSION}"))
    folder = environment(f"physiolabxr-{VERSION}", interpreter(), installs, TIME_LIMIT)
    return environments.site_packages(folder)


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
            self._process.wait(LIMIT)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
