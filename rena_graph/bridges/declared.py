"""What a graph says about an external stream, beside what the outside says about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from rena_graph.errors import StreamFormatError
from rena_graph.streams.spec import StreamSpec

__all__ = ["DeclaredFormat", "Declares"]

RATE_TOLERANCE = 1e-3
"""Relative; devices announce 499.98 Hz where their manual says 500."""


class Declares(Protocol):
    """A stream of the document or of the model: anything that may leave parts of its format open."""

    @property
    def channels(self) -> int | None: ...  # noqa: D102
    @property
    def rate(self) -> float | None: ...  # noqa: D102
    @property
    def dtype(self) -> str | None: ...  # noqa: D102
    @property
    def unit(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True)
class DeclaredFormat:
    """A stream's format as far as one side knows it; None is unknown.

    Parameters
    ----------
    channels : int | None
        Values per sample.
    rate : float | None
        Nominal rate in Hz; 0 is irregular.
    dtype : str | None
        One of :data:`rena_graph.graph.document.DTYPES`.
    channel_names : tuple of str | None
        As many as `channels`.
    unit : str | None
        Of every channel.
    """

    channels: int | None = None
    rate: float | None = None
    dtype: str | None = None
    channel_names: tuple[str, ...] | None = None
    unit: str | None = None

    @classmethod
    def of(cls, stream: Declares) -> DeclaredFormat:
        """What a :class:`~rena_graph.graph.document.StreamDef` or a stream of the model leaves known."""
        names = getattr(stream, "channel_names", None)
        return cls(stream.channels, stream.rate, stream.dtype, tuple(names) if names else None, stream.unit)

    @property
    def missing(self) -> tuple[str, ...]:
        """Which of ``channels``, ``rate`` and ``dtype`` are open."""
        return tuple(key for key in ("channels", "rate", "dtype") if getattr(self, key) is None)

    def differences(self, found: DeclaredFormat) -> list[str]:
        """One phrase for each of channels, rate and dtype that both sides know and disagree on."""
        phrases = []
        if _differ(self.channels, found.channels):
            phrases.append(f"channels: declared {self.channels}, found {found.channels}")
        if _rates_differ(self.rate, found.rate):
            phrases.append(f"rate: declared {_hz(self.rate)}, found {_hz(found.rate)}")
        if _differ(self.dtype, found.dtype):
            phrases.append(f"dtype: declared {self.dtype}, found {found.dtype}")
        return phrases

    def check(self, name: str, found: DeclaredFormat, where: str) -> None:
        """Compare with what was found.

        Raises
        ------
        StreamFormatError
            Naming all differences at once.
        """
        phrases = self.differences(found)
        if phrases:
            raise StreamFormatError(
                f"stream {name!r}: {where} is not what the graph declares: {'; '.join(phrases)}. "
                "Correct these values in the graph, or leave them out to take what is found"
            )

    def completed(self, found: DeclaredFormat) -> DeclaredFormat:
        """This, with what is open taken from `found`."""
        channels = found.channels if self.channels is None else self.channels
        names = self.channel_names or found.channel_names
        return DeclaredFormat(
            channels,
            found.rate if self.rate is None else self.rate,
            found.dtype if self.dtype is None else self.dtype,
            names if names and len(names) == channels else None,
            found.unit if self.unit is None else self.unit,
        )

    def spec(self, name: str) -> StreamSpec:
        """The stream's full description.

        Raises
        ------
        StreamFormatError
            Something is still open, or the channel names are not as many as the channels.
        """
        if self.channels is None or self.rate is None or self.dtype is None:
            raise StreamFormatError(
                f'stream {name!r}: nothing tells its {", ".join(self.missing)}: declare it in the graph\'s "streams"'
            )
        if self.channel_names and len(self.channel_names) != self.channels:
            raise StreamFormatError(
                f"stream {name!r}: {len(self.channel_names)} channel_names for {self.channels} channels"
            )
        return StreamSpec(name, self.channels, self.dtype, self.rate, self.channel_names or (), self.unit)


def _differ(declared: object, found: object) -> bool:
    return declared is not None and found is not None and declared != found


def _rates_differ(declared: float | None, found: float | None) -> bool:
    if declared is None or found is None:
        return False
    return not math.isclose(declared, found, rel_tol=RATE_TOLERANCE)


def _hz(rate: float | None) -> str:
    return "irregular (0)" if rate == 0 else f"{rate:g} Hz"
