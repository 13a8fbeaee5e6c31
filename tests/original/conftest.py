"""The original, installed once for the session; where it cannot be, its tests are skipped and say why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environments import NotToBeHad
from tests.original.environment import Original, site_packages


@pytest.fixture(scope="session")
def original_site() -> Path:
    """``site-packages`` of an environment with physiolabxr 1.1.3."""
    try:
        return site_packages()
    except NotToBeHad as reason:
        pytest.skip(f"needs another Python environment: {reason}")


@pytest.fixture(scope="session")
def original(original_site: Path) -> Iterator[Original]:
    """The package, to be asked."""
    asked = Original(original_site)
    yield asked
    asked.close()
