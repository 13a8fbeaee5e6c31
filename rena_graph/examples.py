"""The bundled example graphs: where they lie, in a checkout as in an installed wheel, and what they are called."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path

from rena_graph.errors import UsageError

__all__ = ["DEFAULT_EXAMPLE", "Example", "examples", "examples_dir", "find_example"]

DEFAULT_EXAMPLE = "ecg/heart_rate"
"""What ``rena-graph demo`` runs where no name is given."""


@dataclass(frozen=True)
class Example:
    """One bundled graph.

    Parameters
    ----------
    name : str
        Its path below the examples' folder without ``.json``, such as ``ecg/heart_rate``.
    path : Path
        The graph file.
    description : str
        The graph's own description, or its name where it has none.
    """

    name: str
    path: Path
    description: str


def examples_dir() -> Path:
    """Folder of the bundled graphs: ``rena_graph/_graphs`` in a wheel, ``graphs`` in a checkout.

    Raises
    ------
    UsageError
        This installation has neither.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_graphs", package.parent / "graphs"):
        if folder.is_dir():
            return folder
    raise UsageError(f"this installation holds no examples (looked beside {package}); reinstall rena-graph")


def examples() -> dict[str, Example]:
    """All bundled graphs by name, sorted: the JSON files in the folders of :func:`examples_dir`."""
    root = examples_dir()
    found: dict[str, Example] = {}
    for path in sorted(root.glob("*/*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        if "nodes" not in document:
            continue
        name = path.relative_to(root).with_suffix("").as_posix()
        found[name] = Example(name, path, str(document.get("description") or document["name"]))
    return found


def find_example(name: str) -> Example:
    """The example called `name`: its full name, its file's name, or its folder's where that holds only one.

    Raises
    ------
    UsageError
        There is none, or `name` fits several; the message lists what there is.
    """
    known = examples()
    if name in known:
        return known[name]
    for part in (1, 0):
        hits = [example for full, example in known.items() if full.split("/")[part] == name]
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise UsageError(f"{name!r} fits several examples: {', '.join(hit.name for hit in hits)}; give one of them")
    near = difflib.get_close_matches(name, [*known, *(full.split("/")[1] for full in known)], 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"no example is called {name!r}.{hint} There are: {', '.join(known)}.")
