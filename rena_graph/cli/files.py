"""Writes a verb's result to stdout or into a file."""

from __future__ import annotations

from pathlib import Path

from rena_graph.cli.output import talk, write_line
from rena_graph.errors import UsageError

__all__ = ["write_result"]


def write_result(text: str, output: Path | None) -> None:
    """Write `text` into the file `output`, or to stdout where there is none.

    Raises
    ------
    UsageError
        Where the file cannot be written.
    """
    if output is None:
        write_line(text.rstrip("\n"))
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror or error}") from None
    talk(f"wrote {output}")
