"""One cluster for all tests of several hosts: a head, and a worker with a GPU by name and two hours ahead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import _shared
from tests.hosts.cluster import Cluster
from tests.hosts.rig import why_not

WORKER = "--num-gpus=1 --labels=room=lab"
AHEAD = 7200.0


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Started with the commands of deploy/systemd."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with Cluster(tmp_path_factory.mktemp("hosts"), {"gpu": WORKER}, ahead={"gpu": AHEAD}) as started:
        # What is on the hosts is not what a test left behind; what a launch left on one, the tests look for themselves.
        _shared.update(started.holders)
        yield started
        _shared.difference_update(started.holders)
