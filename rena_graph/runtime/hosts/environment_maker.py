"""Makes the Python of one node on the host that it runs on, or finds it made: a program of its own.

``python -m rena_graph.runtime.hosts.environment_maker`` reads one JSON line (what is wanted), writes one (what was
made, or why not), and is killed with all that it started once its standard input closes: so pip never outlives who
wanted it.

What it makes is a virtual environment, in a folder named by what it is made of. In front of its path is what pip
installs into it, behind that the environment that the graph names, last what this host runs rena_graph with: so the
node has the same Ray and rena_graph, which is tried out before the folder counts as made.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from rena_graph.errors import EnvironmentRefused, RenaGraphError
from rena_graph.runtime.hosts.environment import Made, Wanted
from rena_graph.runtime.hosts.environment_store import NOTE, alone, environments_dir
from rena_graph.runtime.hosts.fitness import interpreter_of, look

__all__ = ["make"]

LAST_LINES = 12
"""Of pip's output, for the message; all of it lies beside the environment."""
QUICK = 120.0
"""Seconds that an interpreter has to start and import what a node's process imports."""

_LIBC = ctypes.CDLL(None)
_DESCRIBE = (
    "import json, site, sys; print(json.dumps(['%d.%d' % sys.version_info[:2], site.getsitepackages(), sys.version]))"
)
_TRIAL = (
    "import json, ray, rena_graph.runtime.node.process, rena_graph.runtime.node.actor; "
    "from rena_graph.runtime.hosts.fitness import look; print(json.dumps(look([])))"
)


def make(wanted: Wanted, folder: Path) -> Made:
    """The interpreter for a node that wants this, made where it is not there yet.

    Parameters
    ----------
    wanted : Wanted
        By the graph.
    folder : Path
        Where environments lie; made where missing.

    Raises
    ------
    EnvironmentRefused
        The environment is not there, or is none; pip failed; the node would have another Ray or rena_graph.
    """
    began = time.monotonic()
    ours = look([])
    base, version, dirs, full = _base(wanted)
    if version != ours["python"]:
        raise EnvironmentRefused(
            f"{wanted.environment} is of Python {version}, and the run is of {ours['python']}: make one of that"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    target = folder / _digest(wanted, ours, base, dirs, own, full)
    python = target / "bin" / "python"
    with alone(target.with_suffix(".lock")):  # two runs that want the same wait for each other
        note = _read_note(target)
        cached = note is not None
        if note is None:
            shutil.rmtree(target, ignore_errors=True)
            try:
                _build(target, base, [*dirs, *own])
                if wanted.requirements:
                    _install(target, python, wanted.requirements)
                note = {"wanted": asdict(wanted), "packages": _packages(target)}
            except (EnvironmentRefused, OSError):
                shutil.rmtree(target, ignore_errors=True)
                raise
        if note.get("code") != ours["code"]:
            try:
                _try_out(python, ours)
            except EnvironmentRefused:
                shutil.rmtree(target, ignore_errors=True)
                raise
        # Written anew each time: its age says when it was last wanted.
        _write_note(target, {**note, "code": ours["code"]})
    return Made(str(python), note["packages"], time.monotonic() - began, cached)


def _base(wanted: Wanted) -> tuple[str, str, list[str], str]:
    """Interpreter, Python minor version, folders of packages, and full version of what it is to be made of."""
    if wanted.environment is None:
        return sys.executable, f"{sys.version_info[0]}.{sys.version_info[1]}", [], sys.version
    python = interpreter_of(wanted.environment)
    if python is None:
        raise EnvironmentRefused(
            f"there is no Python environment {wanted.environment}: neither an interpreter nor a folder with bin/python"
        )
    done = _run([python, "-I", "-c", _DESCRIBE])
    try:
        version, dirs, full = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise EnvironmentRefused(f"{python} is no Python that can be run: {_tail(done.stderr)}") from None
    return python, version, dirs, full


def _digest(wanted: Wanted, ours: dict[str, Any], base: str, dirs: list[str], own: list[str], full: str) -> str:
    """Names an environment by all that it is made of; one that was installed into since counts as another."""
    stamps = [(path, _mtime(path)) for path in dirs]
    parts = [asdict(wanted), ours["python"], ours["ray"], ours["rena_graph"], base, stamps, own, sys.prefix, full]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


def _mtime(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _read_note(target: Path) -> dict[str, Any] | None:
    """What was written when it was done; None where it never was."""
    try:
        note: dict[str, Any] = json.loads((target / NOTE).read_text())
    except (OSError, ValueError):
        return None
    return note


def _write_note(target: Path, note: dict[str, Any]) -> None:
    spare = target / f"{NOTE}.new"
    spare.write_text(json.dumps(note, indent=1))
    spare.replace(target / NOTE)


def _build(target: Path, base: str, dirs: list[str]) -> None:
    """An empty environment that finds what is in `dirs` behind what is to be installed into it."""
    done = _run([base, "-m", "venv", "--without-pip", str(target)])
    if done.returncode != 0:
        raise EnvironmentRefused(f"{base} cannot make a virtual environment: {_tail(done.stderr or done.stdout)}")
    # `addsitedir`, since editable installs and namespace packages stand in files of such a folder.
    adds = "".join(f"; site.addsitedir({path!r})" for path in dict.fromkeys(dirs))
    (_packages_folder(target) / "_rena_graph.pth").write_text(f"import site{adds}\n")


def _packages_folder(target: Path) -> Path:
    return target / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


def _install(target: Path, python: Path, requirements: str) -> None:
    """Let pip install, as its own configuration on this host says."""
    if importlib.util.find_spec("pip") is None:  # else it is found there as well
        made = _run([str(python), "-m", "ensurepip", "--default-pip"])
        if made.returncode != 0:
            raise EnvironmentRefused(f"there is no pip on this host, and none can be made: {_tail(made.stderr)}")
    asked, bounds = target / "requirements.txt", target / "constraints.txt"
    asked.write_text(requirements)
    bounds.write_text("\n".join(_bounds()) + "\n")
    words = ["--disable-pip-version-check", "--no-input", "-r", str(asked), "-c", str(bounds)]
    log = target.with_suffix(".log")
    with log.open("wb") as out:
        done = subprocess.run(
            [str(python), "-m", "pip", "install", *words],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=target,
            # Ray ends the children of an actor that dies, but not theirs: this process may go without a last word.
            preexec_fn=_end_with_parent,
        )  # fmt: skip
    if done.returncode != 0:
        said = log.read_text(errors="replace")
        raise EnvironmentRefused(
            f"pip ended with {done.returncode}; the last that it said (all of it is in {log} there):\n{_tail(said)}"
        )


def _end_with_parent() -> None:
    _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _bounds() -> Iterator[str]:
    """What pip may not leave: the versions that rena_graph runs with, and those that it can run with."""
    for package in ("ray", "rena-graph"):
        yield f"{package}=={metadata.version(package)}"
    for required in metadata.requires("rena-graph") or ():
        if "extra ==" not in required and not re.match(r"ray\b", required):
            yield required


def _packages(target: Path) -> dict[str, str]:
    found = metadata.distributions(path=[str(_packages_folder(target))])
    return dict(sorted((d.metadata["Name"], d.version) for d in found))


def _try_out(python: Path, ours: dict[str, Any]) -> None:
    """Whether a node's process would start there, with the same software as the run."""
    done = _run([str(python), "-c", _TRIAL])
    if done.returncode != 0:
        raise EnvironmentRefused(f"a node cannot run with these packages:\n{_tail(done.stderr)}")
    has = json.loads(done.stdout.splitlines()[-1])
    differs = [
        f"{name} {has[name]}, and the run has {ours[name]}" for name in ("ray", "rena_graph") if has[name] != ours[name]
    ]
    if not differs and has["code"] != ours["code"]:
        differs = [f"other source files of rena_graph {has['rena_graph']} than the run has"]
    if differs:
        raise EnvironmentRefused(f"a node would have {'; '.join(differs)}: take it out of the environment")


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=QUICK, cwd="/"
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentRefused(f"{words[0]} gave no answer within {QUICK:g} s") from None
    except OSError as error:
        raise EnvironmentRefused(f"{words[0]} cannot be run: {error.strerror or error}") from error


def _tail(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-LAST_LINES:])


def _end_with_who_asked() -> None:
    """Until nobody holds the other end of our standard input; then end all of this process group."""
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Answer one request."""
    wanted = Wanted(**json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_end_with_who_asked, daemon=True).start()
    try:
        answer = asdict(make(wanted, environments_dir()))
    except RenaGraphError as error:
        answer = {"refused": str(error)}
    except OSError as error:
        answer = {"refused": f"it cannot be written: {error}"}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the thread still reads, and would be waited for


if __name__ == "__main__":
    main()
