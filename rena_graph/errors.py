"""Every exception that rena_graph raises on purpose, and the table of exit codes.

The tree (whose fault it is, in brackets)::

    RenaGraphError
    ├── UsageError              [the caller's: a wrong argument or option]
    ├── GraphError              [the graph document's author's]
    │   └── GraphInvalid        all problems of one document at once
    ├── ScriptError             [the script author's]
    │   ├── ScriptLoadError     the file does not give one RenaScript class
    │   ├── OutputRefused       a bad value was assigned to an output
    │   ├── ParamRefused        a parameter value of the wrong type or range
    │   ├── StateRefused        what save_state() gave cannot be kept, or not be given back
    │   └── NodeFailed          a node ended the run
    ├── EnvironmentRefused      [the machine's: something it lacks or somebody else holds]
    │   ├── MissingExtra        an optional package is not installed
    │   ├── StreamNotFound      an external stream did not appear in time
    │   ├── StreamFormatError   an external stream is not what the graph declares
    │   ├── SharedMemoryShort   the rings do not fit into shared memory
    │   ├── PortTaken           a port of the graph is in use
    │   └── RunLost             the run's own processes died underneath it
    ├── TransportError          [ours, or a foreign sender's: bytes that do not decode]
    │   ├── WireError           a message that is not in our format
    │   └── Fenced              a writer whose epoch is over tried to publish
    └── RunNotFound             [the caller's: no such run]

Every one survives pickling (Ray carries them between processes), which is why
each keeps its constructor's arguments in ``args``.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rena_graph.graph.problems import Problem

__all__ = [
    "EnvironmentRefused",
    "ExitCode",
    "Fenced",
    "GraphError",
    "GraphInvalid",
    "MissingExtra",
    "NodeFailed",
    "OutputRefused",
    "ParamRefused",
    "PortTaken",
    "RenaGraphError",
    "RunLost",
    "RunNotFound",
    "ScriptError",
    "ScriptLoadError",
    "SharedMemoryShort",
    "StateRefused",
    "StreamFormatError",
    "StreamNotFound",
    "TransportError",
    "UsageError",
    "WireError",
]


class ExitCode(enum.IntEnum):
    """What the command line ends with; the one table that README and tests refer to."""

    OK = 0
    """The run did what was asked, also when it was stopped in good order."""
    INTERNAL = 1
    """A bug of ours; the message asks for a report."""
    USAGE = 2
    """Wrong command line."""
    GRAPH = 3
    """The graph document is invalid; every problem was printed."""
    SCRIPT = 4
    """A node failed, by its script or beyond its restart budget."""
    ENVIRONMENT = 5
    """The machine lacks something, or a port, a stream or a host is not to be had."""
    KILLED = 130
    """The run was killed: a second Ctrl-C, or a kill asked for."""


class RenaGraphError(Exception):
    """The root. ``exit_code`` is what the command line ends with."""

    exit_code: ExitCode = ExitCode.INTERNAL


class UsageError(RenaGraphError):
    """The caller's fault: an argument that cannot be right."""

    exit_code = ExitCode.USAGE


class RunNotFound(UsageError):
    """The caller's fault: there is no such run on this machine."""


class GraphError(RenaGraphError):
    """The graph author's fault."""

    exit_code = ExitCode.GRAPH


class GraphInvalid(GraphError):
    """All problems of one graph document at once.

    Parameters
    ----------
    path : str
        The document, as the user named it.
    problems : sequence of Problem
        Errors first, then warnings, each with code, place and remedy.
    """

    def __init__(self, path: str, problems: Sequence[Problem]) -> None:
        super().__init__(path, tuple(problems))
        self.path = path
        self.problems = tuple(problems)

    def __str__(self) -> str:
        errors = [p for p in self.problems if p.is_error]
        head = f"{self.path}: {len(errors)} error{'s' if len(errors) != 1 else ''}"
        return "\n".join([head, *(str(p) for p in self.problems)])


class ScriptError(RenaGraphError):
    """The script author's fault."""

    exit_code = ExitCode.SCRIPT


class ScriptLoadError(ScriptError):
    """A script file that does not define exactly one ``RenaScript`` class, or cannot be imported."""


class OutputRefused(ScriptError):
    """A value assigned to an output that the stream cannot carry; nothing of it is sent."""


class ParamRefused(ScriptError):
    """A parameter value of the wrong type or out of its range; nothing is changed."""

    exit_code = ExitCode.USAGE


class StateRefused(ScriptError):
    """What ``save_state()`` returned cannot be kept, or what was kept cannot be given back to ``load_state()``."""


class NodeFailed(ScriptError):
    """A node failed and, by its policy, ended the run."""


class EnvironmentRefused(RenaGraphError):
    """The machine's fault: something is missing, full, or held by somebody else."""

    exit_code = ExitCode.ENVIRONMENT


class MissingExtra(EnvironmentRefused):
    """An optional package is not installed; the message names the extra."""


class StreamNotFound(EnvironmentRefused):
    """An external stream did not appear in time."""


class StreamFormatError(EnvironmentRefused):
    """An external stream has another channel count, rate or format than the graph declares."""


class SharedMemoryShort(EnvironmentRefused):
    """The rings of this host do not fit into its shared memory."""


class PortTaken(EnvironmentRefused):
    """A port that the graph asks for is in use."""


class RunLost(EnvironmentRefused):
    """The run's own processes died underneath it."""


class TransportError(RenaGraphError):
    """Moving samples failed."""


class WireError(TransportError):
    """A message that is not in our wire format: ours or a stranger's."""


class Fenced(TransportError):
    """A writer whose epoch is over tried to publish: a newer one holds the stream."""
