"""What a graph's nodes need of files on another host: packed, carried, and laid out there by what it contains.

A bundle has the scripts, the modules beside them that they import, and the graph's ``files``: never the whole folder.
Recordings do not travel: they are played on the host where they lie.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from rena_graph.errors import EnvironmentRefused, GraphError
from rena_graph.graph.build import build_graph
from rena_graph.graph.document import StreamDef
from rena_graph.graph.model import Graph
from rena_graph.graph.paths import find_file
from rena_graph.graph.script_imports import modules_beside_script

__all__ = ["MAX_BUNDLE_BYTES", "MAX_BUNDLE_FILES", "Bundle", "PackedFile", "pack"]

MAX_BUNDLE_BYTES = 64 * 2**20
"""All files together; they lie in the folder of a run's sockets, which is often memory."""
MAX_BUNDLE_FILES = 2000


@dataclass(frozen=True)
class PackedFile:
    """One file.

    Parameters
    ----------
    path : str
        Where it goes, below the bundle's folder; with ``/``, and clean.
    sha256 : str
        Of its content, in hexadecimal.
    content : bytes
        All of it.
    """

    path: str
    sha256: str
    content: bytes


@dataclass(frozen=True)
class Bundle:
    """Files of a graph for other hosts; picklable.

    Parameters
    ----------
    files : tuple of PackedFile
        By path.
    folder : str
        Which folder of the bundle stands for the graph's own; ``.`` unless code from outside of it was allowed.
    scripts : mapping of str to str
        For each node, which of the files is its script.
    root : str
        The folder that the bundle's own stands for, on the host that it comes from.
    digest_of : str
        Of the files that there were, where they were taken out; empty where they are there.
    """

    files: tuple[PackedFile, ...]
    folder: str
    scripts: Mapping[str, str]
    root: str = ""
    digest_of: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(len(file.content) for file in self.files)

    @cached_property
    def digest(self) -> str:
        """Names it by all that is in it: the same content, wherever it came from, has the same."""
        if self.digest_of:
            return self.digest_of
        whole = hashlib.sha256()
        for file in self.files:
            whole.update(f"{len(file.path)}:{file.path}:{file.sha256}\n".encode())
        return whole.hexdigest()

    def place(self, runtime: Path, used: Collection[str] = ()) -> Path:
        """Lay the files out on the host that this is called on, whole or not at all. Once more is no harm.

        Parameters
        ----------
        runtime : Path
            The run's folder of sockets on this host.
        used : collection of str
            Where nodes run from now (absolute paths): what their scripts wrote beside the files there stays.

        Returns
        -------
        Path
            ``<runtime>/code/<digest>``: for :meth:`moved`. Folders have mode 0700, files 0600.

        Raises
        ------
        EnvironmentRefused
            A file did not arrive as it was sent, has a path that leads elsewhere, or cannot be written.
        """
        self._verify()
        target = runtime / "code" / self.digest
        try:
            if target.is_dir() and not target.is_symlink():
                if self._lies_in(target, more=str(target) in used):
                    return target
                shutil.rmtree(target)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            spare = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
            try:
                for file in self.files:
                    _write(spare, file)
                spare.replace(target)
            except OSError:
                shutil.rmtree(spare, ignore_errors=True)
                if not self._lies_in(target):  # else somebody else was faster
                    raise
        except OSError as error:
            raise EnvironmentRefused(
                f"the graph's scripts and files ({self.size:,} bytes) cannot be written to {target}: "
                f"{error.strerror or error}"
            ) from error
        return target

    def tidy(self, runtime: Path, used: Collection[str]) -> None:
        """Remove what was laid out before on this host, but for this and what is still `used` (absolute paths)."""
        code = runtime / "code"
        for folder in code.iterdir():
            if folder.name != self.digest and not folder.name.startswith(".new-") and str(folder) not in used:
                shutil.rmtree(folder, ignore_errors=True)

    def moved(self, graph: Graph, root: Path) -> Graph:
        """The same graph as it is on a host where this lies in `root`: for that host's plan.

        Scripts, and what is relative to the graph's folder, are there; recordings stay where the document says, seen
        from the graph's own folder.
        """
        nodes = {
            name: node.model_copy(update={"script": str(root / self.scripts[name])})
            for name, node in graph.nodes.items()
        }
        streams = {name: _anchored(stream, graph.folder) for name, stream in graph.document.streams.items()}
        document = graph.document.model_copy(update={"nodes": nodes, "streams": streams})
        folder = Path(os.path.normpath(root / self.folder))
        return replace(build_graph(document, graph.path, folder, graph.allow_code), warnings=graph.warnings)

    def _verify(self) -> None:
        paths = [PurePosixPath(file.path) for file in self.files]
        folders = {parent for path in paths for parent in path.parents}
        for file, path in zip(self.files, paths, strict=True):
            clean = str(path) == file.path and not path.is_absolute() and path.parts and ".." not in path.parts
            if not clean or "\0" in file.path or path in folders:
                raise EnvironmentRefused(f"{file.path!r} is no path for a file of a graph")
            if hashlib.sha256(file.content).hexdigest() != file.sha256:
                raise EnvironmentRefused(f"{file.path} did not arrive as it was sent")
        if len(set(paths)) != len(paths):
            raise EnvironmentRefused("the same path twice among the files of a graph")

    def _lies_in(self, folder: Path, *, more: bool = False) -> bool:
        """Whether the very same files are there; and no others, unless there may be `more`."""
        wanted = {file.path: file.sha256 for file in self.files}
        try:
            there = {
                path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in folder.rglob("*")
                if not path.is_dir() and "__pycache__" not in path.parts
            }
        except OSError:
            return False
        return wanted.items() <= there.items() if more else there == wanted


def pack(graph: Graph) -> Bundle:
    """Collect what a graph's nodes need of files, from the host where its folder is.

    Raises
    ------
    GraphError
        Something is not there any more, or lies where no code may come from, or all of it is too much.
    """
    sources = dict(_sources(graph))
    if len(sources) > MAX_BUNDLE_FILES:
        raise GraphError(
            f"{len(sources):,} files of this graph are to go to other hosts, at most {MAX_BUNDLE_FILES:,} may: list "
            "less under files"
        )
    contents: dict[Path, bytes] = {}
    size = 0
    for place, file in sources.items():
        try:
            size += file.stat().st_size
            if size <= MAX_BUNDLE_BYTES:
                contents[place] = file.read_bytes()
        except OSError as error:
            raise GraphError(f"{place} cannot be read: {error.strerror or error}") from error
    if size > MAX_BUNDLE_BYTES:
        raise GraphError(_too_large(size, sources))
    root = Path(os.path.commonpath([graph.folder, *(place.parent for place in contents)]))
    packed = [
        PackedFile(place.relative_to(root).as_posix(), hashlib.sha256(content).hexdigest(), content)
        for place, content in contents.items()
    ]
    scripts = {name: graph.script_path(name).relative_to(root).as_posix() for name in graph.nodes}
    folder = graph.folder.relative_to(root).as_posix()
    return Bundle(tuple(sorted(packed, key=lambda file: file.path)), folder, scripts, str(root))


def _sources(graph: Graph) -> Iterator[tuple[Path, Path]]:
    """For each file: where it is to be, in the names of this host, and where its content is."""
    for script in {graph.script_path(name): None for name in graph.nodes}:
        yield script, _allowed(graph, script, "the script")
        # A module is found by its name in the script's folder, wherever a link there leads to.
        try:
            modules = modules_beside_script(script)
        except OSError as error:
            raise GraphError(f"{error.filename} cannot be read: {error.strerror}") from error
        for module in modules:
            yield module, _allowed(graph, module, f"what {script.name} imports")
    for written in graph.document.files:
        place = Path(os.path.normpath(graph.folder / written))
        if place.is_dir():
            for path in _below(place):
                yield path, _allowed(graph, path, f"a file of {written}")
        else:
            yield place, _allowed(graph, place, "a file of the graph")


def _below(folder: Path) -> Iterator[Path]:
    """All files of a folder; what is hidden, and what Python leaves there, is not meant."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)
        else:
            yield path


def _allowed(graph: Graph, path: Path, what: str) -> Path:
    found = find_file(graph.folder, graph.allow_code, str(path))
    if found.state == "outside":
        raise GraphError(
            f"{what} ({path}) is outside of the graph's folder: {found.detail}. Move it there, or allow its folder: "
            f"--allow-code {found.path.parent}"
        )
    if found.state != "file":
        raise GraphError(f"{what} ({path}) cannot be taken to other hosts: {found.detail}")
    return found.path


def _too_large(size: int, sources: Mapping[Path, Path]) -> str:
    largest = sorted(((file.stat().st_size, place) for place, file in sources.items()), reverse=True)[:3]
    listed = ", ".join(f"{place} ({bytes_ / 2**20:.1f} MiB)" for bytes_, place in largest)
    return (
        f"the scripts and files of this graph are {size / 2**20:.1f} MiB, at most {MAX_BUNDLE_BYTES // 2**20} MiB go "
        f"to other hosts; the largest are {listed}. Put large files on each host yourself, and give their absolute "
        "path as a parameter"
    )


def _anchored(stream: StreamDef, folder: Path) -> StreamDef:
    """A stream whose recording is named by its absolute path."""
    recording = stream.source.recording
    if recording is None:
        return stream
    path = os.path.normpath(folder / recording.path)
    source = stream.source.model_copy(update={"recording": recording.model_copy(update={"path": path})})
    return stream.model_copy(update={"source": source})


def _write(root: Path, file: PackedFile) -> None:
    path = root / file.path
    for folder in reversed([p for p in path.parents if p.is_relative_to(root) and p != root]):
        folder.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as out:
        out.write(file.content)
