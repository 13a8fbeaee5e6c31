"""Which reader a recording's file wants."""

from __future__ import annotations

from pathlib import Path

from rena_graph.bridges.recorded_stream import RecordedStream
from rena_graph.bridges.recording_npz import read_npz
from rena_graph.bridges.recording_xdf import read_xdf
from rena_graph.errors import StreamFormatError, StreamNotFound

__all__ = ["load_recording"]


def load_recording(path: Path, stream: str | None) -> RecordedStream:
    """Read one stream of a file into memory.

    Parameters
    ----------
    path : Path
        Ends in ``.npz``, ``.xdf`` or ``.xdfz``.
    stream : str | None
        Name of the stream within an XDF file; may be left out where there is only one.

    Raises
    ------
    StreamNotFound
        There is no such file, or no such stream in it.
    StreamFormatError
        The file cannot be read, or holds something that is not a stream.
    """
    if not path.is_file():
        raise StreamNotFound(f"recording {path}: {'not a file' if path.exists() else 'no such file'}")
    suffix = path.suffix.lower()
    if suffix == ".npz":
        if stream is not None:
            raise StreamFormatError(f'recording {path}: an NPZ file holds one stream: leave out "stream": {stream!r}')
        return read_npz(path)
    if suffix in (".xdf", ".xdfz"):
        return read_xdf(path, stream)
    raise StreamFormatError(f"recording {path}: found the suffix {suffix!r}, allowed are .npz, .xdf and .xdfz")
