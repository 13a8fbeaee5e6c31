"""``main``: runs a verb, and turns whatever ends it into a message on stderr and an exit code of the table."""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from rena_graph.cli.group import COMPLETE_VARIABLE, PROGRAM, root
from rena_graph.cli.output import abandon_stdout, talk
from rena_graph.cli.view.lines import clean
from rena_graph.errors import ExitCode, RenaGraphError

__all__ = ["main"]

_CRASHES_KEPT = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (``sys.argv[1:]`` where None) and return the exit code.

    Nothing that goes wrong comes out of here as an exception: our own errors are printed, others are written to a file
    of the state folder (and shown with ``RENA_GRAPH_DEBUG=1``).
    """
    debug = os.environ.get("RENA_GRAPH_DEBUG", "") not in ("", "0")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A script may print, and a graph may hold, what the terminal's encoding cannot say.
            stream.reconfigure(errors="backslashreplace")
    with _log_on_stderr(debug):
        return _answer_for(sys.argv[1:] if argv is None else list(argv), debug)


def _answer_for(argv: list[str], debug: bool) -> int:
    """Run it, and give every way to end its words and its code."""
    try:
        code = _run(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, a pager) has had enough.
        abandon_stdout()
        return ExitCode.OK
    except (KeyboardInterrupt, click.Abort):
        talk("interrupted")
        return ExitCode.KILLED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except RenaGraphError as error:
        if debug:
            traceback.print_exc()
        talk(f"{PROGRAM}: {clean(str(error))}")
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort, which must answer in words and with a code
        return _report_crash(error, debug)
    return code


def _run(argv: list[str]) -> int:
    """What click's own ``main`` does, less its handling of interrupts and pipes, which hides them from ours."""
    instruction = os.environ.get(COMPLETE_VARIABLE)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(root, {}, PROGRAM, COMPLETE_VARIABLE, instruction)
    if not argv:
        # Releases of click differ in what they do here, and in the exit code.
        with root.make_context(PROGRAM, [], resilient_parsing=True) as context:
            talk(context.get_help())
        return ExitCode.USAGE
    try:
        with root.make_context(PROGRAM, argv) as context:
            root.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except SystemExit as end:
        if isinstance(end.code, str):
            talk(end.code)
            return ExitCode.INTERNAL
        return end.code or ExitCode.OK
    return ExitCode.OK


@contextmanager
def _log_on_stderr(debug: bool) -> Iterator[None]:
    """Show our own loggers' warnings on stderr (all of it when debugging). Only the command line does this."""
    logger = logging.getLogger("rena_graph")
    level = logger.level
    handler = _StderrHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s" if debug else f"{PROGRAM}: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to whatever ``sys.stderr`` is at the time, which a live display replaces while it is up."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self.stream = sys.stderr
        super().emit(record)


def _report_crash(error: Exception, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    kind = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    talk(f"{PROGRAM}: internal error: {kind}")
    try:
        written = _write_crash(error)
    except (OSError, RenaGraphError) as failure:
        talk(f"  and its traceback could not be written ({failure}); run again with RENA_GRAPH_DEBUG=1 to see it.")
    else:
        talk(f"  This is a bug of ours. The traceback is in {written}; please report it.")
    return ExitCode.INTERNAL


def _write_crash(error: Exception) -> Path:
    """The traceback as a file of the state folder, of which the newest few are kept."""
    from rena_graph.runtime.folders import state_dir

    folder = state_dir() / "crashes"
    folder.mkdir(mode=0o700, exist_ok=True)
    old = sorted(folder.glob("crash-*.txt"), key=lambda path: path.stat().st_mtime)
    for path in old[: max(0, len(old) + 1 - _CRASHES_KEPT)]:
        path.unlink(missing_ok=True)
    descriptor, name = tempfile.mkstemp(prefix="crash-", suffix=".txt", dir=folder)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(f"argv: {sys.argv}\npython: {sys.version}\n\n")
        file.writelines(traceback.format_exception(error))
    return Path(name)
