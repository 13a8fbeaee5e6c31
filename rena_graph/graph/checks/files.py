"""Checks of the scripts and recordings that a document names; scripts are parsed, never executed."""

from __future__ import annotations

from pathlib import Path

from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph
from rena_graph.graph.paths import FoundFile, find_file
from rena_graph.graph.problems import JsonPath
from rena_graph.graph.script_outline import ScriptOutline, outline_script
from rena_graph.graph.shape import Draft
from rena_graph.graph.wording import did_you_mean, join, quote

__all__ = ["check"]

MAX_SCRIPT_BYTES = 5_000_000
RECORDINGS = (".xdf", ".xdfz", ".npz")


def check(graph: Graph, draft: Draft, findings: Findings) -> None:
    """G501 to G521 and G551."""
    outlines: dict[Path, ScriptOutline | SyntaxError | str] = {}
    files = {script: find_file(graph.folder, graph.allow_code, script) for script in _scripts(graph)}
    for name, node in graph.nodes.items():
        if draft.sound(name, "script"):
            path: JsonPath = ("nodes", name, "script")
            found = files[node.script]
            if _usable(found, node.script, f"the script of {name}", path, ("G501", "G502"), findings):
                _script(name, node.script, found.path, path, graph, outlines, findings)
    for name, stream in draft.streams.items():
        recording = stream.source.recording
        if recording is not None:
            path = ("streams", name, "from", "recording", "path")
            found = find_file(graph.folder, graph.allow_code, recording.path)
            if found.state == "missing" and stream.host is not None:
                continue  # it is to lie on that host, which the launch looks at
            if _usable(found, recording.path, f"the recording of {quote(name)}", path, ("G511", "G511"), findings):
                _recording(recording.path, found.path, path, findings)
    for index, written in enumerate(graph.document.files):
        found = find_file(graph.folder, graph.allow_code, written)
        if not found.path.is_dir() or found.state == "outside":
            _usable(found, written, "a file of the graph", ("files", index), ("G521", "G521"), findings)


def _scripts(graph: Graph) -> set[str]:
    return {node.script for node in graph.nodes.values()}


def _usable(
    found: FoundFile, written: str, what: str, path: JsonPath, codes: tuple[str, str], findings: Findings
) -> bool:
    """Whether there is a file that may be read; notes why not."""
    if found.state == "outside":
        message = f"{what} is outside of the graph's folder: {found.detail}"
        hint = f"move it there, or allow its folder: --allow-code {found.path.parent}"
        findings.add("G503", path, message, found=quote(written), allowed="a file in the graph's folder", hint=hint)
    elif found.state == "missing":
        near = None if findings.full else did_you_mean(_nearest_file(found.path, written, findings))
        hint = near or "paths are relative to the graph file"
        findings.add(codes[0], path, f"{what} is not there: {found.detail}", found=quote(written), hint=hint)
    elif found.state != "file":
        findings.add(codes[1], path, f"{what} cannot be read: {found.detail}", found=quote(written), allowed="a file")
    return found.state == "file"


def _nearest_file(path: Path, written: str, findings: Findings) -> str | None:
    """The path of a file beside the missing one that was probably meant."""
    try:
        names = [entry.name for _, entry in zip(range(1000), path.parent.iterdir(), strict=False)]
    except OSError:
        return None
    near = findings.nearest(path.name, names, 0.75)
    return None if near is None else str(Path(written).with_name(near))


def _script(
    name: str,
    written: str,
    file: Path,
    path: JsonPath,
    graph: Graph,
    outlines: dict[Path, ScriptOutline | SyntaxError | str],
    findings: Findings,
) -> None:
    if file not in outlines:
        outlines[file] = _outline(file)
    outline = outlines[file]
    if isinstance(outline, str):
        findings.add("G502", path, f"the script of {name} cannot be read: {outline}", found=quote(written))
    elif isinstance(outline, SyntaxError):
        shown = str(graph.path.parent / written)
        text = outline.text.strip() if outline.text else ""
        message = f"the script of {name}: {outline.msg}"
        line, column = outline.lineno or 1, max(1, outline.offset or 1)
        findings.add(
            "G504", path, message, found=quote(text) if text else "not Python", file=shown, line=line, column=column
        )
    else:
        _classes(name, written, outline, path, findings)


def _outline(file: Path) -> ScriptOutline | SyntaxError | str:
    try:
        with file.open("rb") as stream:
            code = stream.read(MAX_SCRIPT_BYTES + 1)
    except OSError as error:
        return error.strerror or str(error)
    if len(code) > MAX_SCRIPT_BYTES:
        return f"it is larger than {MAX_SCRIPT_BYTES // 1_000_000} MB"
    try:
        return outline_script(code, str(file))
    except SyntaxError as error:
        return error


def _classes(name: str, written: str, outline: ScriptOutline, path: JsonPath, findings: Findings) -> None:
    found = [f"{cls} (line {line})" for cls, line in outline.classes]
    unsure = [f"{cls} (line {line})" for cls, line in outline.unsure]
    if len(found) > 1:
        message = f"the script of {name} has {len(found)} RenaScript classes"
        hint = "put each into a file of its own; a class that another one is derived from does not count"
        findings.add("G506", path, message, found=join(found, "and"), allowed="one", hint=hint)
    elif not found and unsure:
        message = f"whether the script of {name} has a RenaScript class, only running it could tell"
        findings.add("G551", path, message, found=f"{join(unsure, 'and')}, with a base from elsewhere")
    elif not found:
        message = f"the script of {name} has no class derived from RenaScript"
        hint = "class MyScript(RenaScript): with a method loop(self)"
        findings.add("G505", path, message, found=quote(written), allowed="one RenaScript class", hint=hint)


def _recording(written: str, file: Path, path: JsonPath, findings: Findings) -> None:
    if file.suffix.lower() not in RECORDINGS:
        found = quote(file.suffix) if file.suffix else "no suffix"
        message = f"{quote(written)} is no recording that can be played"
        findings.add("G512", path, message, found=found, allowed=join(RECORDINGS))
