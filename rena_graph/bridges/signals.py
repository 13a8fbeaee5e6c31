"""The signals that a simulated stream can be: pure functions of seed and sample index, without time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.errors import StreamFormatError
from rena_graph.graph.document import SimulateSource
from rena_graph.streams.spec import StreamSpec

__all__ = ["Signal", "make_signal"]

WIDE = 50_000
"""Channels from which a sample is cut from a prepared pool: six million new values 30 times a second take cores."""

_BLOCK_VALUES = 8192
_WORDS = np.array([f"marker-{i}" for i in range(10)], dtype=object)


class Signal(ABC):
    """Makes samples ``first … first + count``; each index is asked for once, in order."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec

    @abstractmethod
    def take(self, first: int, count: int) -> NDArray[Any]:
        """Samples ``(count, channels)`` of the stream's dtype; to be copied before the next call."""

    def skip(self, count: int) -> None:  # noqa: B027 - what is computed from the index has nothing to skip
        """Go on as if the first `count` samples had been taken."""


def make_signal(spec: StreamSpec, source: SimulateSource) -> Signal:
    """The signal that the document asks for.

    Raises
    ------
    StreamFormatError
        A sine of text, or one whose channels are text.
    """
    if source.kind == "counter":
        return WideCounter(spec) if spec.channels >= WIDE and _modulus(spec) <= 1 << 16 else Counter(spec)
    if source.kind == "sine":
        if spec.is_string:
            raise StreamFormatError(
                f"stream {spec.name!r}: text has no sine; simulate a string stream as 'random' or 'counter'"
            )
        return WideSine(spec, source.frequency) if spec.channels >= WIDE else Sine(spec, source.frequency)
    if spec.channels >= WIDE and not spec.is_string:
        return WideRandom(spec, source.seed)
    return Random(spec, source.seed)


class Random(Signal):
    """Noise: standard normal for float, uniform over the whole range for integers and bool, one of ten words for text.

    With a seed, sample i is the same in every run, however the samples are cut into chunks: values are drawn in blocks
    whose size depends on the format alone.
    """

    def __init__(self, spec: StreamSpec, seed: int | None) -> None:
        super().__init__(spec)
        self._seeded = seed is not None
        self._rng = _generator(seed)
        self._block = max(1, _BLOCK_VALUES // spec.channels)
        self._ready = np.empty((0, spec.channels), spec.numpy_dtype)

    def take(self, first: int, count: int) -> NDArray[Any]:
        """The next `count` samples."""
        blocks = [self._ready]
        missing = count - len(self._ready)
        while missing > 0:
            blocks.append(_noise(self._rng, self.spec, (self._block, self.spec.channels)))
            missing -= self._block
        ready = np.concatenate(blocks) if len(blocks) > 1 else self._ready
        self._ready = ready[count:]
        return ready[:count]

    def skip(self, count: int) -> None:
        """Draw what was drawn before, which takes its time: about a second for a hundred million values."""
        while self._seeded and count > 0:
            part = min(count, 64 * self._block)
            self.take(0, part)
            count -= part


class WideRandom(Signal):
    """Noise for very wide samples: windows at random places of one prepared pool of twice as many values.

    Two samples so share most of their values, at other channels. Each channel by itself is as random as in
    :class:`Random`.
    """

    def __init__(self, spec: StreamSpec, seed: int | None) -> None:
        super().__init__(spec)
        self._seeded = seed is not None
        self._rng = _generator(seed)
        self._pool = _noise(self._rng, spec, (2 * spec.channels,))

    def take(self, first: int, count: int) -> NDArray[Any]:
        """The next `count` samples; for one sample a view, nothing is copied."""
        width = self.spec.channels
        starts = self._rng.integers(0, width, size=count)
        if count == 1:
            return self._pool[starts[0] : starts[0] + width][np.newaxis]
        return np.stack([self._pool[start : start + width] for start in starts])

    def skip(self, count: int) -> None:
        """Draw what was drawn before."""
        if self._seeded and count:
            self._rng.integers(0, self.spec.channels, size=count)


class Counter(Signal):
    """Channel c of sample i is ``(i + c) mod M``: channel 0 tells which sample it is.

    M is 2**24 for float32, 2**53 for float64 (up to there each integer is exact), the number of values of an integer
    type (signed ones wrap to the negative), 2 for bool. Text is the number in digits.
    """

    def __init__(self, spec: StreamSpec) -> None:
        super().__init__(spec)
        self._channels = np.arange(spec.channels, dtype=np.int64)
        self._modulus = _modulus(spec)

    def take(self, first: int, count: int) -> NDArray[Any]:
        """Samples `first` to ``first + count``."""
        numbers = np.arange(first, first + count, dtype=np.int64)[:, np.newaxis] + self._channels
        if self.spec.is_string:
            return numbers.astype(str).astype(object)
        if self.spec.dtype in ("float32", "float64", "bool"):
            numbers %= self._modulus
        return numbers.astype(self.spec.numpy_dtype)


class WideCounter(Signal):
    """:class:`Counter` for very wide samples of a small integer type: windows of one prepared ramp."""

    def __init__(self, spec: StreamSpec) -> None:
        super().__init__(spec)
        self._modulus = _modulus(spec)
        ramp = np.arange(spec.channels + self._modulus, dtype=np.int64)
        self._ramp = (ramp % self._modulus).astype(spec.numpy_dtype)

    def take(self, first: int, count: int) -> NDArray[Any]:
        """Samples `first` to ``first + count``; for one sample a view."""
        starts = [(first + i) % self._modulus for i in range(count)]
        windows = [self._ramp[start : start + self.spec.channels] for start in starts]
        return windows[0][np.newaxis] if count == 1 else np.stack(windows)


class Sine(Signal):
    """A sine of `frequency` Hz; channel c of C is shifted by c/C of a period.

    Amplitude 1 for float; for integers the whole range of the type; bool is true while it is not negative. An irregular
    stream advances by 1/10 s a sample, its mean interval.
    """

    def __init__(self, spec: StreamSpec, frequency: float) -> None:
        super().__init__(spec)
        self._turns = frequency / (spec.rate or 10.0)
        self._phases = np.arange(spec.channels) / spec.channels

    def take(self, first: int, count: int) -> NDArray[Any]:
        """Samples `first` to ``first + count``."""
        turns = np.arange(first, first + count, dtype=np.float64) * self._turns % 1.0
        return _as_dtype(np.sin(2 * np.pi * (turns[:, np.newaxis] + self._phases)), self.spec)


class WideSine(Signal):
    """:class:`Sine` for very wide samples: windows of two prepared periods, so phases are rounded to 1/channels."""

    def __init__(self, spec: StreamSpec, frequency: float) -> None:
        super().__init__(spec)
        self._turns = frequency / (spec.rate or 10.0)
        period = _as_dtype(np.sin(2 * np.pi * np.arange(spec.channels) / spec.channels), spec)
        self._periods = np.concatenate([period, period])

    def take(self, first: int, count: int) -> NDArray[Any]:
        """Samples `first` to ``first + count``; for one sample a view."""
        width = self.spec.channels
        starts = [int(i * self._turns % 1.0 * width) for i in range(first, first + count)]
        windows = [self._periods[start : start + width] for start in starts]
        return windows[0][np.newaxis] if count == 1 else np.stack(windows)


def _generator(seed: int | None) -> np.random.Generator:
    # SeedSequence takes no negative numbers, the document does.
    return np.random.default_rng(None if seed is None else [abs(seed), int(seed < 0)])


def _modulus(spec: StreamSpec) -> int:
    if spec.is_string or spec.dtype == "float64":
        return 1 << 53
    if spec.dtype == "float32":
        return 1 << 24
    return 2 if spec.dtype == "bool" else 1 << (8 * spec.numpy_dtype.itemsize)


def _noise(rng: np.random.Generator, spec: StreamSpec, shape: tuple[int, ...]) -> NDArray[Any]:
    dtype = spec.numpy_dtype
    if spec.is_string:
        return _WORDS[rng.integers(0, len(_WORDS), size=shape)]
    if dtype.kind == "b":
        return rng.integers(0, 2, size=shape, dtype=np.uint8).astype(np.bool_)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype.name)
        return rng.integers(limits.min, limits.max, size=shape, dtype=dtype, endpoint=True)
    return rng.standard_normal(shape, dtype=np.float32 if dtype == np.float32 else np.float64)


def _as_dtype(values: NDArray[np.float64], spec: StreamSpec) -> NDArray[Any]:
    dtype = spec.numpy_dtype
    if dtype.kind == "b":
        return values >= 0
    if dtype.kind not in "iu":
        return values.astype(dtype)
    limits = np.iinfo(dtype.name)
    low, high = float(limits.min), float(limits.max)
    if dtype.itemsize == 8:
        # As a float64 the largest 64-bit integer is one too large for its type.
        high = float(np.nextafter(high, 0.0))
    return np.rint(low + (values + 1.0) / 2.0 * (high - low)).clip(low, high).astype(dtype)
