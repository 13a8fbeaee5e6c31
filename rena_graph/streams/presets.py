"""What the graph says of a script's streams, by PhysioLabXR's names: ``self.presets``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from rena_graph.streams.spec import StreamSpec

__all__ = ["StreamPreset", "StreamPresets"]


@dataclass(frozen=True)
class StreamPreset:
    """What the graph says of a stream, by PhysioLabXR's names.

    Parameters
    ----------
    stream_name : str
        As the script calls it.
    nominal_sampling_rate : float
        Hz; 0 is irregular.
    num_channels : int
        Values per sample.
    channel_names : tuple of str
        As many; ``c 0``, ``c 1`` and so on where the graph names none.
    data_type : str
        The stream's dtype.
    unit : str | None
        Of every channel.
    """

    stream_name: str
    nominal_sampling_rate: float
    num_channels: int
    channel_names: tuple[str, ...]
    data_type: str
    unit: str | None = None


class StreamPresets(Mapping[str, StreamPreset]):
    """``self.presets``: the streams that a script reads and makes, by its names for them.

    Parameters
    ----------
    specs : mapping of str to StreamSpec
        The streams.
    """

    def __init__(self, specs: Mapping[str, StreamSpec]) -> None:
        self._specs = dict(specs)

    def __getitem__(self, name: str) -> StreamPreset:
        spec = self._specs.get(name)
        if spec is None:
            near = get_close_matches(str(name), self._specs, 1)
            known = ", ".join(map(repr, self._specs)) or "none"
            hint = f"did you mean {near[0]!r}?" if near else f"the streams are {known}"
            raise KeyError(f"the script has no stream {name!r}; {hint}")
        names = spec.channel_names or tuple(f"c {i}" for i in range(spec.channels))
        return StreamPreset(name, spec.rate, spec.channels, names, spec.dtype, spec.unit)

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    @property
    def stream_presets(self) -> StreamPresets:
        """The same mapping, where PhysioLabXR's scripts look for it."""
        return self
