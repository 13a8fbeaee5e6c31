"""Fixtures of the transport's tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, cast

import pytest

from .stage import Stage


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for the names of Unix sockets (107 bytes in all)."""
    folder = Path(tempfile.mkdtemp(prefix="rgt-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=["ring", "zmq"])
def stage(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Stage]:
    """What holds for both transports is tested over both."""
    with Stage(cast("Literal['ring', 'zmq']", request.param), short_folder) as opened:
        yield opened


@pytest.fixture
def ring_stage(short_folder: Path) -> Iterator[Stage]:
    """For what only rings do."""
    with Stage("ring", short_folder) as opened:
        yield opened


@pytest.fixture
def zmq_stage(short_folder: Path) -> Iterator[Stage]:
    """For what only ZMQ does."""
    with Stage("zmq", short_folder) as opened:
        yield opened
