"""Streams that are not like the others, through whole graphs: fast ones, every dtype, holes and jumps in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rena_graph.graph.document import DTYPES
from tests.live.launching import launched, only_drops
from tests.runtime.live import balanced, collect, counter, document, finish, kept, relay

pytestmark = pytest.mark.ray


def recording(path: Path, data: NDArray[Any], speed: float = 1.0, **facts: Any) -> dict[str, Any]:
    """A source that plays these samples."""
    np.savez(path, data=data, **facts)
    return {"from": {"recording": {"path": str(path), "speed": speed}}}


@pytest.mark.parametrize("transport", ["ring", "zmq"])
def test_ten_kilohertz_pass_two_nodes_without_loss(transport: str, ray_address: str, tmp_path: Path) -> None:
    rate, samples = 10_000.0, 20_000
    nodes = {"pass": relay("Fast", "Passed", rate, 8), "last": collect(tmp_path / "a.npz", "Passed")}
    doc = document({"Fast": counter(rate, 8, samples=samples)}, nodes, transport=transport)
    with launched(doc, ray_address) as run:
        status = finish(run)
    assert status["transport"] == transport
    balanced(status)
    only_drops(status)
    data = kept(tmp_path / "a.npz")
    assert np.array_equal(data["Passed"][:, 0], np.arange(samples))
    assert np.allclose(np.diff(data["Passed.stamps"]), 1 / rate, atol=1e-9)


def extremes(dtype: str) -> NDArray[Any]:
    """One channel of what the dtype can hold at most."""
    if dtype == "string":
        return np.array([["α → ω"], [""], ["x" * 3000]])
    if dtype == "bool":
        return np.array([[True], [False], [True]])
    if dtype.startswith("float"):
        numbers = np.finfo(dtype)
        return np.array([[numbers.max], [np.nan], [numbers.smallest_subnormal], [-np.inf]], dtype=dtype)
    return np.array([[np.iinfo(dtype).min], [np.iinfo(dtype).max], [1]], dtype=dtype)


@pytest.mark.parametrize("transport", ["ring", "zmq"])
def test_every_dtype_reaches_a_script_as_it_is(transport: str, ray_address: str, tmp_path: Path) -> None:
    sent = {dtype: extremes(dtype) for dtype in DTYPES}
    streams = {
        dtype: recording(tmp_path / f"{dtype}.npz", data, timestamps=np.arange(len(data)) / 10)
        for dtype, data in sent.items()
    }
    nodes = {"last": collect(tmp_path / "a.npz", *sent)}
    with launched(document(streams, nodes, transport=transport), ray_address) as run:
        status = finish(run)
    balanced(status)
    only_drops(status)
    got = kept(tmp_path / "a.npz")
    for dtype, data in sent.items():
        assert status["streams"][dtype]["dtype"] == dtype
        whole = data.astype(str) if dtype == "string" else data
        assert got[dtype].dtype == whole.dtype
        assert got[dtype].tobytes() == whole.tobytes(), "bit for bit, NaN too"


def test_a_gap_stays_open_or_is_filled_with_nan_and_is_counted(ray_address: str, tmp_path: Path) -> None:
    """A device that lost 7 samples, and whose clock later jumps by 20 s."""
    rate = 100.0
    index = np.concatenate((np.arange(100), np.arange(107, 200), np.arange(200, 300))).astype(np.float64)
    stamps = index / rate + np.where(index >= 200, 20.0, 0.0)
    source = recording(tmp_path / "r.npz", index[:, None], 1e6, timestamps=stamps, rate=rate)
    nodes = {
        "keeps": collect(tmp_path / "keep.npz", "R"),
        "fills": collect(tmp_path / "nan.npz", {"stream": "R", "gaps": "nan"}, buffer_duration=30),
    }
    with launched(document({"R": source}, nodes), ray_address) as run:
        status = finish(run)
    balanced(status)
    assert (status["streams"]["R"]["gaps"], status["streams"]["R"]["lost"]) == (2, 7 + 2000)
    edges = {edge["to"]: edge for edge in status["edges"]}
    keep, fill = kept(tmp_path / "keep.npz"), kept(tmp_path / "nan.npz")

    assert np.array_equal(keep["R"][:, 0], index)
    assert np.allclose(np.diff(keep["R.stamps"]), np.diff(stamps)), "what is missing is seen in the timestamps"
    assert edges["keeps"]["filled"] == 0

    holes = np.isnan(fill["R"][:, 0])
    assert np.array_equal(fill["R"][~holes, 0], index), "nothing that came is lost by filling"
    assert holes[100:107].all()
    assert np.allclose(np.diff(fill["R.stamps"]), 1 / rate, atol=1e-9)
    assert edges["fills"]["filled"] == holes.sum() == 7 + 2000
