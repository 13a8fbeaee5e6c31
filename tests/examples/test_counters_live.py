"""The counter cascades, launched from their files: five relays in a row, and a client behind the last one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rena_graph
from tests.live.launching import only_drops, unique
from tests.live.processes import LslClient
from tests.runtime.live import balanced, finish

pytestmark = [pytest.mark.ray, pytest.mark.lsl]


@pytest.mark.parametrize(
    ("file", "rate", "seconds"),
    [("counters_250hz", 250, 3), pytest.param("counters_2048hz", 2048, 9, marks=pytest.mark.long)],
)
def test_every_sample_passes_five_relays_once_and_in_order(
    file: str, rate: int, seconds: int, ray_address: str, graphs: Path, tmp_path: Path
) -> None:
    instance = unique("t")
    predicate = f"name='Counter-5' and contains(source_id,'{instance}')"
    with (
        LslClient(predicate, tmp_path / "out.npz", mark=seconds * rate) as client,
        rena_graph.load(graphs / f"counters/{file}.json").launch(address=ray_address, instance=instance) as run,
    ):
        client.connected()
        client.marked()
        run.stop()
        status = finish(run)
        (received,) = client.finished()
    balanced(status)
    only_drops(status)
    produced = status["streams"]["Counter"]["produced"]
    assert [edge["to"] for edge in status["edges"]] == [*(f"relay_{i}" for i in range(1, 6)), "lsl:Counter-5"]
    assert all(edge["produced"] == edge["delivered"] == produced for edge in status["edges"])
    index = received.data[:, 0]
    # The client was told of the outlet when it was made, and may have missed the first samples; never the last.
    np.testing.assert_array_equal(index, np.arange(produced - len(index), produced))
    np.testing.assert_array_equal(received.data, index[:, np.newaxis] + np.arange(received.data.shape[1]))
    np.testing.assert_allclose(np.diff(received.stamps), 1 / rate, atol=1e-6)
