"""Simulated samples: what they are, whatever the chunks."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rena_graph.bridges.signals import WIDE, make_signal
from rena_graph.errors import StreamFormatError
from rena_graph.graph.document import DTYPES, SimulateSource
from rena_graph.streams.spec import StreamSpec

Kind = Literal["random", "sine", "counter"]
NUMBERS = [dtype for dtype in DTYPES if dtype != "string"]


def cut(spec: StreamSpec, source: SimulateSource, sizes: list[int]) -> NDArray[Any]:
    signal, first, parts = make_signal(spec, source), 0, []
    for size in sizes:
        parts.append(np.array(signal.take(first, size)))
        first += size
    return np.concatenate(parts)


@given(
    kind=st.sampled_from(["random", "counter", "sine"]),
    dtype=st.sampled_from(NUMBERS),
    channels=st.sampled_from([1, 3, 64]),
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=6),
)
def test_a_seeded_signal_does_not_depend_on_its_chunks(kind: Kind, dtype: str, channels: int, sizes: list[int]) -> None:
    spec, source = StreamSpec("S", channels, dtype, 250.0), SimulateSource(kind=kind, seed=-3)
    whole = cut(spec, source, [sum(sizes)])
    assert whole.shape == (sum(sizes), channels)
    assert whole.dtype == spec.numpy_dtype
    np.testing.assert_array_equal(cut(spec, source, sizes), whole)


def test_seeds_differ_and_no_seed_is_fresh() -> None:
    spec = StreamSpec("S", 2, "float32", 100.0)
    seen = {cut(spec, SimulateSource(seed=seed), [5]).tobytes() for seed in (0, 1, -1, None, None)}
    assert len(seen) == 5


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32", "uint64", "float32", "float64"])
def test_a_counter_tells_the_sample_and_the_channel(dtype: str) -> None:
    samples = make_signal(StreamSpec("S", 3, dtype, 10.0), SimulateSource(kind="counter")).take(1000, 2)
    assert samples.tolist() == [[1000, 1001, 1002], [1001, 1002, 1003]]


@pytest.mark.parametrize(
    ("dtype", "first", "expected"),
    [
        ("int8", 126, [126, 127, -128]),
        ("uint8", 254, [254, 255, 0]),
        ("int16", 32767, [32767, -32768, -32767]),
        ("uint16", 65535, [65535, 0, 1]),
        ("bool", 4, [False, True, False]),
        ("float32", 2**24 - 1, [2**24 - 1, 0, 1]),
        ("float64", 2**53 - 1, [2**53 - 1, 0, 1]),
        ("string", 9, ["9", "10", "11"]),
    ],
)
def test_a_counter_wraps_where_it_says(dtype: str, first: int, expected: list[Any]) -> None:
    samples = make_signal(StreamSpec("S", 1, dtype, 10.0), SimulateSource(kind="counter")).take(first, 3)
    assert samples[:, 0].tolist() == expected


@pytest.mark.parametrize("dtype", NUMBERS)
def test_a_sine_fills_its_range_and_no_more(dtype: str) -> None:
    spec = StreamSpec("S", 4, dtype, 100.0)
    wave = make_signal(spec, SimulateSource(kind="sine", frequency=1.0)).take(0, 100)
    if dtype == "bool":
        assert set(wave[:, 0].tolist()) == {True, False}
        return
    high = 1.0 if dtype.startswith("float") else float(np.iinfo(dtype).max)
    assert float(wave.max()) == pytest.approx(high, rel=1e-6)
    assert wave[25, 0] == wave.max()
    np.testing.assert_array_equal(wave[0, 1], wave[25, 0])


def test_a_sine_stays_exact_after_days() -> None:
    signal = make_signal(StreamSpec("S", 1, "float64", 1000.0), SimulateSource(kind="sine", frequency=10.0))
    np.testing.assert_allclose(signal.take(10**9, 100), signal.take(0, 100), atol=1e-5)


@pytest.mark.parametrize("kind", ["counter", "sine"])
def test_wide_samples_are_what_narrow_ones_are(kind: Kind) -> None:
    source = SimulateSource(kind=kind, frequency=3.0)
    wide = make_signal(StreamSpec("S", WIDE, "uint8", 30.0), source)
    narrow = type(make_signal(StreamSpec("S", 1, "uint8", 30.0), source))
    assert type(wide) is not narrow
    reference = narrow(StreamSpec("S", WIDE, "uint8", 30.0), *([3.0] if kind == "sine" else []))
    for first in (0, 7, 300):
        difference = wide.take(first, 1).astype(int) - reference.take(first, 1).astype(int)
        assert np.abs(difference).max() <= (0 if kind == "counter" else 1)
        np.testing.assert_array_equal(wide.take(first, 2)[1:], wide.take(first + 1, 1))


def test_wide_noise_changes_with_each_sample_and_is_copied_nowhere() -> None:
    signal = make_signal(StreamSpec("S", WIDE, "uint8", 30.0), SimulateSource(seed=1))
    first, second = signal.take(0, 1), signal.take(1, 1)
    assert (first != second).mean() > 0.9
    assert first.base is not None
    assert 120 < first.mean() < 135
    assert signal.take(2, 3).shape == (3, WIDE)


def test_text() -> None:
    words = cut(StreamSpec("S", 2, "string"), SimulateSource(seed=1), [50])
    assert all(isinstance(word, str) and word.startswith("marker-") for word in words.reshape(-1))
    with pytest.raises(StreamFormatError, match="text has no sine"):
        make_signal(StreamSpec("S", 1, "string"), SimulateSource(kind="sine"))
