"""What can be wrong with a graph: one record per problem, and the table of all codes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

__all__ = ["CODES", "Code", "JsonPath", "Problem", "Severity", "json_path", "printable", "sort_key"]

Severity = Literal["error", "warning"]
JsonPath = tuple[str | int, ...]
"""Keys and indices from the document's root to a value."""


class Code(NamedTuple):
    """A kind of problem."""

    severity: Severity
    """An error keeps the graph from running; a warning does not."""
    meaning: str
    """One sentence."""


def _codes(severity: Severity, meanings: Mapping[str, str]) -> dict[str, Code]:
    return {code: Code(severity, meaning) for code, meaning in meanings.items()}


_ERRORS = {
    # The file
    "G001": "The graph file cannot be read.",
    "G002": "The graph file is larger than 10 MB.",
    "G003": "The graph file is not UTF-8 text.",
    "G004": "The graph file is not JSON.",
    "G005": "An object has the same key twice.",
    "G006": "A number is not one that JSON has (NaN, Infinity), or too large for a float.",
    "G007": "Lists and objects are nested deeper than 64.",
    "G008": "The document, or one list or object in it, has more values than any graph needs.",
    "G009": "A text is not valid Unicode (a lone surrogate).",
    "G010": "There are more problems than are listed.",
    # One value
    "G101": "A key that the format does not have.",
    "G102": "A required key is missing.",
    "G103": "A value of the wrong type; numbers and truth values are not written as text, nor one as the other.",
    "G104": "A word that is not one of those allowed here.",
    "G105": "A number or a length out of its range.",
    "G106": "A text that is empty, too long, or not of the form that is wanted here.",
    "G107": "Keys of which exactly one, or at least one, must be given.",
    "G108": "A version of the format that this rena_graph does not know.",
    "G109": "More nodes, streams, inputs, outputs or parameters than a graph may have.",
    # Names and edges
    "G201": "An input that no node and no external stream feeds.",
    "G202": "A stream that has two producers.",
    "G203": "Two inputs of one node with the same name in the script.",
    "G204": "Two outputs of one node with the same name in the script.",
    "G205": "A cycle of edges of which none is delayed.",
    "G206": "A stream with a name that is kept for the simulated input of a node.",
    "G207": "A graph without nodes.",
    "G208": "A node that is to be near a node that there is not, or near itself.",
    "G209": "Nodes that are to be near each other and on different hosts.",
    # Formats
    "G301": "A stream is not what the input expects: channels, rate, dtype or unit.",
    "G302": "The number of channel names is not the number of channels.",
    "G303": "Channels are picked from a stream in which two have the same name, or one channel is picked twice.",
    "G304": "A channel is picked that the stream does not have.",
    "G305": "Channels are picked by name from a stream without channel names.",
    "G306": "A stream that is to be simulated, or that comes over ZMQ, does not say channels, rate or dtype.",
    "G307": "A stream of text cannot be simulated.",
    "G308": "A dtype that LSL cannot carry.",
    "G309": "Text over ZMQ, whose messages are raw numbers.",
    "G310": "Text cannot be accessed as a view of shared memory.",
    "G311": "Gaps can be filled with NaN only in a float stream with a rate.",
    "G312": "The window of an input takes more than 2 GB.",
    "G313": "What is not finite is to be dropped, or to fail the node, in a stream that has only integers or text.",
    # Triggers and policies
    "G401": "A trigger names a stream that is not an input of the node.",
    "G402": "A trigger on a delayed input, which never triggers, or on data where there is no input that could.",
    "G403": "A run frequency too low for a loop for each block of the trigger.",
    "G404": "A block longer than the window that the node keeps.",
    "G405": "A sample-counted trigger on an input of which only the newest chunk matters.",
    "G406": "An input both lossless and of policy latest, which loses by design.",
    "G407": "An input of policy block behind a live source, which nobody can make wait.",
    "G408": "A delayed input of policy block.",
    "G409": "A lossless input of a node that passes over what piles up.",
    "G410": "Samples that are not finite are to be dropped where none may be left out, or to be kept from a view.",
    # Scripts and files
    "G501": "A script that is not there.",
    "G502": "A script that is not a file, too large, or cannot be read.",
    "G503": "A script, recording or file outside the graph's folder that was not allowed.",
    "G504": "A syntax error in a script.",
    "G505": "A script without a RenaScript class.",
    "G506": "A script with several RenaScript classes.",
    "G511": "A recording that is not there, or not a file that can be read.",
    "G512": "A recording that is neither XDF nor NPZ.",
    "G521": "One of the files of the graph is not there, or neither a file that can be read nor a folder.",
    "G531": "A package that a node asks for in words that pip would not understand.",
    "G532": "A requirements file that is not there, or cannot be read.",
    "G533": "A node asks for a version of Ray or rena_graph, which are the same in all processes of a run.",
    # The outside
    "G601": "A port used twice.",
    "G602": "A port that is in use on this machine.",
    "G603": "A port or address that this machine does not let us use.",
    "G604": "Two LSL outlets of one name.",
    # Parameters
    "G701": "A parameter's value is not of its type.",
    "G702": "A parameter's value is out of its range.",
    "G703": "A parameter's value is not one of its choices.",
    "G704": "A parameter's min, max or choices contradict each other or its type.",
}

_WARNINGS = {
    "G251": "An output that no node takes and that is not broadcast.",
    "G252": "An external stream that no node takes.",
    "G253": "A node that takes nothing and makes nothing.",
    "G451": "A node whose run frequency is so low that its window cannot hold what arrives between two loops.",
    "G452": "A hang timeout shorter than a loop may take at the node's run frequency.",
    "G453": "A node whose loops take longer than a period of its run frequency.",
    "G454": "A graph whose loops together take more processors than this machine has.",
    "G455": "Blocks of a sample-counted trigger that come faster than the node's loops take them.",
    "G456": "More loops a second than this machine can start, whatever the scripts do.",
    "G551": "A script of which only running it could tell whether it has a RenaScript class.",
    "G651": "An LSL outlet with the name of an LSL source of the same graph: it may hear itself.",
}

CODES: Mapping[str, Code] = MappingProxyType(
    dict(sorted({**_codes("error", _ERRORS), **_codes("warning", _WARNINGS)}.items()))
)
"""All codes. They are stable: a code is never given another meaning."""


def printable(text: str) -> str:
    """`text` with what does not print, or would move the cursor, as escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def json_path(path: Iterable[str | int]) -> str:
    """The path in the notation of RFC 9535, such as ``$.nodes.filter.inputs[0]``."""
    parts = ["$"]
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        elif str(part).isascii() and str(part).isidentifier():
            parts.append(f".{part}")
        else:
            escaped = str(part).replace("\\", "\\\\").replace("'", "\\'")
            parts.append(f"['{printable(escaped)}']")
    return "".join(parts)


@dataclass(frozen=True)
class Problem:
    """One problem of a graph document.

    Parameters
    ----------
    code : str
        A key of :data:`CODES`.
    severity : {'error', 'warning'}
        Whether it keeps the graph from running.
    message : str
        What is wrong, in one sentence without its full stop.
    path : str
        The file it is in, as the user named it: the graph, or a script of it.
    line, column : int | None
        Where in that file, from 1; None for documents that were never text.
    json_path : str
        Where in the document (RFC 9535).
    found, allowed, hint : str | None
        What stands there, what could, and what to do about it.
    """

    code: str
    severity: Severity
    message: str
    path: str = ""
    line: int | None = None
    column: int | None = None
    json_path: str = "$"
    found: str | None = None
    allowed: str | None = None
    hint: str | None = None

    @property
    def is_error(self) -> bool:
        """Whether it keeps the graph from running."""
        return self.severity == "error"

    @property
    def place(self) -> str:
        """``file:line:column``, as far as known."""
        return ":".join(str(part) for part in (self.path or "graph", self.line, self.column) if part is not None)

    def __str__(self) -> str:
        lines = [f"{self.place}: {self.severity} {self.code} {self.message}"]
        details = (("at", self.json_path), ("found", self.found), ("allowed", self.allowed), ("hint", self.hint))
        lines += [f"    {label:<8}{text}" for label, text in details if text is not None]
        return "\n".join(lines)


def sort_key(problem: Problem) -> tuple[bool, bool, str, int, int, str]:
    """Errors before warnings, then in the order of the text; scripts after the graph."""
    in_script = problem.code == "G504"
    path = problem.path if in_script else ""
    return (not problem.is_error, in_script, path, problem.line or 0, problem.column or 0, problem.code)
