"""One cluster for all tests of several hosts: a head, and a worker with a GPU by name and two hours ahead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import _shared
from tests.hosts.cluster import Cluster
from tests.hosts.rig import why_not

WORKER = "--num-gpus=1 --labels=room=lab"
AHEAD = 7200.0


@contextmanager
def cluster_of(folder: Path, workers: dict[str, str], ahead: dict[str, float]) -> Iterator[Cluster]:
    """A cluster that several tests use, started with the commands of deploy/systemd."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with Cluster(folder, workers, ahead=ahead) as started:
        # What is on the hosts is not what a test left behind; what a launch left on one, the tests look for themselves.
        _shared.update(started.holders)
        yield started
        _shared.difference_update(started.holders)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The head, and a worker with a GPU."""
    with cluster_of(tmp_path_factory.mktemp("hosts"), {"gpu": WORKER}, {"gpu": AHEAD}) as started:
        yield started
