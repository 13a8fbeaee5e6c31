"""Hosts that are silent, and hosts that are lost: what becomes of a run whose part they are, and what stays on them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rena_graph.runtime.coordinator.host_watch import LOST_AFTER
from tests.hosts.cluster import Cluster
from tests.hosts.rig import Host
from tests.hosts.scene import RATE, Scene, clean, note, own_cluster, scene
from tests.runtime.live import balanced, collect, counter, document, kept, relay

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(300)]

HICCUP = 1.0
"""Seconds that a busy machine may keep samples from a loop, at either end of a count."""
SEEN = 5.0
"""Seconds within which a silent host is said on a machine that does other things too; of an idle one it is two."""
GONE = 60.0
"""Seconds within which nothing is left; 45 are promised."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """For faults that a host survives."""
    with own_cluster(tmp_path_factory.mktemp("lost"), "far") as started:
        yield started


def there_and_back(cluster: Cluster, folder: Path, **restart: Any) -> dict[str, Any]:
    """A source on the head, a node on the worker, its result back on the head, and a node beside it there."""
    here, there = {"host": cluster.head.address}, {"host": cluster.workers["far"].address}
    nodes = {
        "away": relay("C", "X", RATE, placement=there, buffer_duration=4.0, restart=restart),
        "beside": relay("C", "Z", RATE, placement=here, buffer_duration=4.0),
        "last": collect(folder / "kept.npz", "X", "Z", placement=here, buffer_duration=4.0),
    }
    return document({"C": {**counter(RATE), "host": cluster.head.address}}, nodes)


def went_on(run: Scene) -> dict[str, Any]:
    """Nothing was begun anew and nothing ended; all flows again, and the ledger adds up at the end."""
    run.flowing("X", "Z")
    end = run.stop()
    assert end["exit_code"] == 0, run.told()
    assert {node["restarts"] for node in end["nodes"].values()} == {0}
    assert not run.said("lost")
    assert not run.said("died")
    balanced(end)
    return end


def lost(end: dict[str, Any]) -> int:
    """Samples that a link has counted as lost."""
    return sum(edge["dropped"].get("link", 0) for edge in end["edges"])


def test_a_link_that_is_down_for_a_moment_changes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    with scene(cluster, there_and_back(cluster, tmp_path), tmp_path) as run:
        run.flowing("X", "Z")
        far = cluster.workers["far"]
        for seconds in (0.1, 1.0):
            far.plug(False)
            time.sleep(seconds)
            far.plug(True)
            run.flowing("X")
            note(f"link down for {seconds:g} s", said=len(run.said("silent")))
            assert seconds > 0.1 or not run.said("silent"), run.told()
        end = went_on(run)
        note("link down for 0.1 s and 1 s", lost=lost(end))


@pytest.mark.parametrize("how", ["unplugged", "both ways", "to the host", "to the head"])
def test_a_host_that_is_cut_off_for_a_while_is_said_to_be_silent_and_goes_on(
    cluster: Cluster, tmp_path: Path, how: str
) -> None:
    far, head = cluster.workers["far"], cluster.head

    def cut(off: bool) -> None:
        if how == "unplugged":
            far.plug(not off)
        if how in ("both ways", "to the host"):
            far.deaf(head.address if off else None)
        if how in ("both ways", "to the head"):
            head.deaf(far.address if off else None)

    graph = there_and_back(cluster, tmp_path)
    here, arrived = {"host": head.address}, tmp_path / "arrived.npz"
    graph["nodes"]["watch"] = {
        **collect(arrived, {"stream": "Z", "as": "in"}, placement=here, buffer_duration=4.0), "script": "arrivals.py",
    }  # fmt: skip
    with scene(cluster, graph, tmp_path) as run:
        run.flowing("X", "Z")
        began, first = time.time(), time.monotonic()
        cut(True)
        seen = run.wait_said("host", "silent") - began
        shown = run.wait(lambda: run.newest()["nodes"]["away"]["stale"], "the host's nodes are shown as stale")
        assert shown
        assert run.newest()["hosts"][far.address]["state"] == "silent"
        run.flowing("Z")  # which concerns the host in nothing
        time.sleep(max(0.0, began + 10 - time.time()))
        last = time.monotonic()
        cut(False)
        healed = time.time()
        back = run.wait_said("is there again") - healed
        assert seen < SEEN, run.told()
        end = went_on(run)
        assert len(run.said("silent")) == 1
        beside = kept_its_rate(arrived, first, last)
        note(
            f"cut off for 10 s: {how}",
            seen=seen,
            back=back,
            lost=lost(end),
            beside=beside,
            held=len(run.said("are held")),
        )


def kept_its_rate(arrived: Path, first: float, last: float) -> float:
    """Hertz, within 2 %, of what reached a loop of the launching host while the other was away; none was left out."""
    found = kept(arrived)
    assert set(np.diff(found["values"])) == {1.0}
    # Graph time is the clock of the launching host, and the rig's first host has this machine's.
    count, seconds = int(np.count_nonzero((found["times"] >= first) & (found["times"] < last))), last - first
    wanted = RATE * seconds
    assert abs(count - wanted) <= 0.02 * wanted + RATE * HICCUP, (count, wanted)
    return count / seconds


def test_what_a_ring_holds_no_more_when_its_link_is_back_is_counted(cluster: Cluster, tmp_path: Path) -> None:
    """The ring of E keeps the longest window of who reads it: a second."""
    far, here, there = cluster.workers["far"], {"host": cluster.head.address}, {"host": cluster.workers["far"].address}
    narrow = {"stream": "E", "as": "in", "max_samples": RATE}
    nodes = {
        "uneven": relay("C", "E", 0, placement=here, buffer_duration=4.0),
        "away": {**relay("E", "X", 0, placement=there), "inputs": [narrow]},
        "last": collect(tmp_path / "kept.npz", "X", placement=here),
    }
    graph = document({"C": {**counter(RATE), "host": cluster.head.address}}, nodes)
    with scene(cluster, graph, tmp_path) as run:
        run.flowing("X")
        far.plug(False)
        time.sleep(10)
        far.plug(True)
        run.wait_said("is there again")
        run.flowing("X")
        end = run.stop()
        assert end["exit_code"] == 0, run.told()
        assert {node["restarts"] for node in end["nodes"].values()} == {0}
        balanced(end)
        (link,) = (edge for edge in end["edges"] if (edge["stream"], edge["to"]) == ("E", f"host {far.address}"))
        assert set(link["dropped"]) == {"link"}, end["edges"]
        assert link["dropped"]["link"] > 5 * RATE, "most of ten seconds"
        values = kept(tmp_path / "kept.npz")["X"][:, 0]
        missing = np.diff(values).astype(int) - 1
        assert missing.min() == 0, "nothing twice, nothing late"
        assert missing.sum() >= link["dropped"]["link"], "what is counted has not come"
        note("link down for 10 s, ring of a second", lost=link["dropped"]["link"], missing=int(missing.sum()))


def test_a_raylet_that_is_stopped_disturbs_nothing_that_runs(cluster: Cluster, tmp_path: Path) -> None:
    with scene(cluster, there_and_back(cluster, tmp_path), tmp_path) as run:
        run.flowing("X", "Z")
        (raylet,) = cluster.workers["far"].pids("raylet/raylet")
        os.kill(raylet, signal.SIGSTOP)
        try:
            run.flowing("X", "Z", more=5 * RATE)
        finally:
            os.kill(raylet, signal.SIGCONT)
        went_on(run)
        assert not run.said("silent")


def test_a_host_that_comes_back_after_it_was_given_up_ends_what_it_has(cluster: Cluster, tmp_path: Path) -> None:
    far = cluster.workers["far"]
    graph = there_and_back(cluster, tmp_path, on_give_up="degrade")
    with scene(cluster, graph, tmp_path) as run:
        run.flowing("X", "Z")
        began = time.time()
        far.freeze(True)
        try:
            seen = run.wait_said("host", "silent") - began
            given_up = run.wait_said("is lost, after") - began
            run.flowing("Z")
            assert run.newest()["hosts"][far.address]["state"] == "lost"
        finally:
            far.freeze(False)
            thawed = time.time()
        run.wait(lambda: clean(far), "nothing is left on the host", GONE)
        note("host frozen, comes back when it is lost", seen=seen, lost=given_up, clean=time.time() - thawed)
        assert given_up > LOST_AFTER - 1
        run.flowing("Z")
        end = run.stop()
        assert end["exit_code"] == 5
        assert "with it node 'away'" in end["failure"]
        assert (end["nodes"]["away"]["state"], end["nodes"]["beside"]["state"]) == ("failed", "stopped")
        assert len(run.said("is lost, after")) == 1


@pytest.mark.parametrize("how", ["raylet killed", "gone"])
def test_a_run_ends_with_a_host_that_it_needs(tmp_path: Path, how: str) -> None:
    with own_cluster(tmp_path, "far") as cluster, scene(cluster, there_and_back(cluster, tmp_path), tmp_path) as run:
        far = cluster.workers["far"]
        run.flowing("X", "Z")
        began = time.time()
        if how == "gone":
            far.close()
            cleaned = 0.0
        else:
            (raylet,) = far.pids("raylet/raylet")
            os.kill(raylet, signal.SIGKILL)
            cleaned = _clean_after(run, far, began)
        seen = run.wait_said("host", "silent") - began
        end = run.ended()
        note(
            f"host: {how}",
            seen=seen,
            clean=cleaned,
            lost=run.said("is lost, after")[0] - began,
            ended=time.time() - began,
        )
        assert seen < SEEN
        assert end["exit_code"] == 5
        assert f"host {far.address} is lost" in end["failure"]
        assert "node 'away'" in end["failure"]
        assert end["nodes"]["beside"]["state"] == "stopped", "in good order"
        assert clean(cluster.head)


def _clean_after(run: Scene, host: Host, began: float) -> float:
    run.wait(lambda: clean(host), "nothing is left on the host", GONE)
    return time.time() - began


def test_nothing_stays_on_other_hosts_when_the_one_that_launched_is_lost(tmp_path: Path) -> None:
    with own_cluster(tmp_path, "far") as cluster, scene(cluster, there_and_back(cluster, tmp_path), tmp_path) as run:
        far = cluster.workers["far"]
        run.flowing("X", "Z")
        assert not clean(far)
        began = time.time()
        cluster.head.close()
        note("the launching host is lost", clean=_clean_after(run, far, began))
