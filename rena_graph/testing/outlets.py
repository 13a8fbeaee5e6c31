"""What a script under test has sent: per output, all of it in one piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.streams.spec import StreamSpec

__all__ = ["SentOutputs"]

Sent = tuple[NDArray[Any], NDArray[np.float64]]


class SentOutputs(Mapping[str, Sent]):
    """Maps each output, by the script's name for it, to ``(data, timestamps)``.

    ``data`` is ``(samples, channels)`` in the stream's dtype, whatever the script's layout; ``timestamps`` is
    ``(samples,)`` in seconds. An output that nothing was sent on yet is there, with no samples.

    Parameters
    ----------
    specs : mapping of str to StreamSpec
        The outputs.
    """

    def __init__(self, specs: Mapping[str, StreamSpec]) -> None:
        self._specs = dict(specs)
        self._chunks: dict[str, list[Sent]] = {name: [] for name in specs}

    def add(self, name: str, data: NDArray[Any], timestamps: NDArray[np.float64]) -> None:
        """Note a chunk. It is copied: the script may go on to use its array."""
        self._chunks[name].append((np.array(data), np.array(timestamps)))

    def __getitem__(self, name: str) -> Sent:
        chunks = self._of(name)
        if len(chunks) != 1:
            spec = self._specs[name]
            empty = (np.empty((0, spec.channels), spec.numpy_dtype), np.empty(0))
            data, timestamps = zip(empty, *chunks, strict=True)
            chunks[:] = [(np.concatenate(data), np.concatenate(timestamps))]
        return chunks[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name!r}: {data.shape}" for name, (data, _) in self.items())
        return f"SentOutputs({shapes})"

    def take(self, name: str) -> Sent:
        """What was sent on an output since the beginning or the last take, and forget it."""
        sent = self[name]
        self._chunks[name].clear()
        return sent

    def clear(self) -> None:
        """Forget what was sent."""
        for chunks in self._chunks.values():
            chunks.clear()

    def _of(self, name: str) -> list[Sent]:
        try:
            return self._chunks[name]
        except KeyError:
            near = get_close_matches(name, self._specs, 1)
            known = ", ".join(map(repr, self._specs)) or "none"
            hint = f"did you mean {near[0]!r}?" if near else f"there is: {known}"
            raise KeyError(f"the script has no output {name!r}; {hint}") from None
