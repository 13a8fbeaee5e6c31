"""Packages that a node asks for: what may stand in its ``pip``, read and checked, never installed.

A requirement is one of PEP 508, such as ``scipy>=1.11``. A requirements file may have pip's options too, but for those
that lead to other files: nothing but its text travels to the node's host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from rena_graph.errors import GraphError
from rena_graph.graph.model import Graph
from rena_graph.graph.paths import find_file

__all__ = ["MAX_FILE_BYTES", "OWN_PACKAGES", "named", "requirement_lines", "requirements_text", "why_not"]

MAX_FILE_BYTES = 100_000
"""Of a requirements file."""
OWN_PACKAGES = ("ray", "rena-graph")
"""Of which all processes of a run have the same version, whatever a node asks for."""

_OPTIONS = (
    "-i", "--index-url", "--extra-index-url", "--no-index", "-f", "--find-links", "--no-binary", "--only-binary",
    "--prefer-binary", "--require-hashes", "--pre", "--trusted-host",
)  # fmt: skip
_HASHES = re.compile(r"\s--hash[ =]\S+")
_COMMENT = re.compile(r"(^|\s)#.*$")


def named(text: str) -> str | None:
    """The package that a requirement is about, in its canonical spelling; None for one of pip's options."""
    if text.startswith("-"):
        return None
    return canonicalize_name(Requirement(_HASHES.sub("", text)).name)


def why_not(text: str, *, in_file: bool) -> str | None:
    """Why a requirement cannot be taken, in a few words; None where it can.

    Parameters
    ----------
    text : str
        As it was written.
    in_file : bool
        Whether it stands in a requirements file, where some of pip's options may stand too.
    """
    if text.startswith("-"):
        option = re.split(r"[\s=]", text, maxsplit=1)[0]
        if not in_file:
            return "pip's options stand in a requirements file, or in pip's own configuration on the host"
        if option not in _OPTIONS:
            return f"of pip's options only {', '.join(_OPTIONS)} may stand here"
        return None
    try:
        Requirement(_HASHES.sub("", text) if in_file else text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        if "/" in text and "@" not in text:
            return f"{reason}; a file is written as name @ file:///path on the node's host"
        return reason
    return None


def requirement_lines(text: str) -> Iterator[tuple[int, str]]:
    """What a requirements file says, each with the number of its (first) line: without comments, lines joined."""
    pending, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first or number
        bare = _COMMENT.sub("", line)
        if bare.endswith("\\"):
            pending += bare[:-1]
            continue
        whole, at = (pending + bare).strip(), first
        pending, first = "", 0
        if whole:
            yield at, whole
    if pending.strip():
        yield first, pending.strip()


def requirements_text(graph: Graph, node: str) -> str:
    """What a node asks for, as the text of a requirements file; empty where it asks for nothing.

    Raises
    ------
    GraphError
        Its file is not there any more, or has changed into one that cannot be taken.
    """
    pip = graph.nodes[node].pip
    lines = list(pip) if isinstance(pip, list) else _read(graph, node, pip)
    return "".join(f"{line}\n" for line in lines)


def _read(graph: Graph, node: str, written: str) -> list[str]:
    found = find_file(graph.folder, graph.allow_code, written)
    where = f"the requirements of {node}"
    if found.state != "file":
        raise GraphError(f"{where} cannot be read: {found.detail}")
    lines = list(requirement_lines(read_file(found.path)))
    for number, line in lines:
        if (reason := why_not(line, in_file=True)) is not None:
            raise GraphError(f"{where}: line {number} of {written}: {reason}")
    return [line for _, line in lines]


def read_file(path: Path) -> str:
    """The text of a requirements file.

    Raises
    ------
    GraphError
        Says why it is none.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise GraphError(f"{path} is larger than {MAX_FILE_BYTES // 1000} kB")
        return content.decode()
    except OSError as error:
        raise GraphError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise GraphError(f"{path} is not UTF-8 text") from error
