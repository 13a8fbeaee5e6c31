"""Three hosts at once: a cascade over all of them, and a stream that two others take."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.hosts.cluster import Cluster
from tests.hosts.conftest import cluster_of
from tests.hosts.rig import Host
from tests.hosts.studies import run_study
from tests.hosts.test_cluster import launch, write
from tests.hosts.test_examples import crossings, heart_rate, on, same, same_rates
from tests.hosts.test_several import nothing_left
from tests.runtime.live import balanced, collect, counter, document, kept, relay

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(300)]

RATE, SECONDS, CHANNELS = 2000, 4, 64
SAMPLES = RATE * SECONDS


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A head and two workers, each with a clock of its own."""
    ahead = {"head": 1800.0, "b": 10_800.0, "c": 0.0}
    with cluster_of(tmp_path_factory.mktemp("three"), {"b": "", "c": ""}, ahead) as started:
        yield started


def received(host: Host) -> int:
    """Bytes that have come in over the host's network card."""
    (card,) = json.loads(host.run("ip", "-j", "-s", "link", "show", "eth0"))
    return int(card["stats64"]["rx"]["bytes"])


def test_a_stream_that_several_nodes_of_two_hosts_take_crosses_each_link_once(three: Cluster, tmp_path: Path) -> None:
    """Source on the head, two takers on each of the others; and a relay through both and back."""
    a, b, c = three.head, three.workers["b"], three.workers["c"]
    nodes = {
        "b1": collect(tmp_path / "b1.npz", "Wide", placement=on(b), buffer_duration=10),
        "b2": collect(tmp_path / "b2.npz", "Wide", placement=on(b), buffer_duration=10),
        "c1": collect(tmp_path / "c1.npz", "Wide", placement=on(c), buffer_duration=10),
        "c2": collect(tmp_path / "c2.npz", "Wide", "B", placement=on(c), buffer_duration=10),
        "on_b": relay("Narrow", "B", RATE, placement=on(b), buffer_duration=10),
        "on_c": relay("B", "C", RATE, placement=on(c), buffer_duration=10),
        "back": collect(tmp_path / "back.npz", "C", placement=on(a), buffer_duration=10),
    }
    streams = {
        "Wide": {**counter(RATE, CHANNELS, samples=SAMPLES), "host": a.address},
        "Narrow": {**counter(RATE, samples=SAMPLES), "host": a.address},
    }
    before = received(b), received(c)
    end = launch(three, write(document(streams, nodes), tmp_path))
    assert end["exit_code"] == 0, end
    status = json.loads(three.rena_graph("status", "--json"))
    balanced(status)
    assert not [edge for edge in status["edges"] if edge["dropped"]]
    assert crossings(status) == {
        ("Wide", b.address), ("Wide", c.address), ("Narrow", b.address), ("B", c.address), ("C", a.address)
    }  # fmt: skip
    assert len([edge for edge in status["edges"] if edge["to"].startswith("host ")]) == 5

    once = SAMPLES * (CHANNELS * 8 + 8)
    for host, bytes_before in zip((b, c), before, strict=True):
        crossed = received(host) - bytes_before
        assert once < crossed < 1.8 * once, "the wide stream once, the narrow one, and what Ray says"
    for name in ("b1", "b2", "c1", "c2"):
        found = kept(tmp_path / f"{name}.npz")
        assert np.array_equal(found["Wide"][:, 0], np.arange(SAMPLES)), name
        np.testing.assert_array_equal(found["Wide.stamps"], kept(tmp_path / "b1.npz")["Wide.stamps"])
    back = kept(tmp_path / "back.npz")
    assert np.array_equal(back["C"][:, 0], np.arange(SAMPLES))
    np.testing.assert_array_equal(back["C.stamps"], kept(tmp_path / "c2.npz")["B.stamps"])
    nothing_left(three)


def test_the_heart_rate_is_the_same_over_three_hosts(three: Cluster, tmp_path: Path) -> None:
    """Played on one, its peaks found on the next, its rate on the third."""
    a, b, c = three.head, three.workers["b"], three.workers["c"]
    one, _ = run_study(three, heart_rate(tmp_path, a, a, a, a), "ecg", tmp_path / "kept.npz")
    spread, status = run_study(three, heart_rate(tmp_path, c, b, a, a), "ecg", tmp_path / "kept.npz")
    assert crossings(status) == {("ECG", b.address), ("ECG", a.address), ("R-peaks", a.address)}
    assert (len(spread["ECG"]), len(spread["R-peaks"])) == (108_000, 371)
    same(one, spread, "ECG", ("ECG", "R-peaks"))
    same_rates(one, spread)
    nothing_left(three)
