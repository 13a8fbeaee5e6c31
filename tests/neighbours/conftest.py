"""Environments with the clients that laboratories use; where one cannot be had, its tests are skipped and say why."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.environments import NotToBeHad, environment

TIME_LIMIT = 90.0
"""Seconds for an installation; MNE-LSL brings MNE, SciPy and Matplotlib."""


def python_with(package: str, requirement: str) -> Path:
    try:
        return environment(package, sys.executable, [[requirement]], TIME_LIMIT) / "bin" / "python"
    except NotToBeHad as reason:
        pytest.skip(f"needs another Python environment: {reason}")


@pytest.fixture(scope="session")
def mne_python() -> Path:
    """A Python with MNE-LSL, which has its own liblsl and its own wrapper of it."""
    return python_with("mne-lsl", "mne-lsl>=1.6,<2")


@pytest.fixture(scope="session")
def ezmsg_python() -> Path:
    """A Python with ezmsg-lsl, as it is."""
    return python_with("ezmsg-lsl", "ezmsg-lsl>=1.5,<2")
