"""The runs of this machine: which there are, which of them are running, and the one that a word means.

A run is known by its folder, which stays, and while it runs by its folder of sockets, in which a copy of ``run.json``
says where the other one is. Light: the command line looks runs up for every word that a shell completes.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rena_graph.errors import ExitCode, RunNotFound
from rena_graph.runtime.alive import SESSION_LOCK, process_start
from rena_graph.runtime.folders import runs_dir, runtime_dirs

__all__ = ["FACTS", "ONLY", "RunRecord", "all_runs", "find_run", "live_runs", "run_in", "write_facts"]

FACTS = "run.json"
"""File of a run's folders that says which run it is, and how it was launched."""
ONLY = "@"
"""Stands for the only run there is."""
_SHOWN = 12


@dataclass(frozen=True)
class RunRecord:
    """One run, as its folders tell of it.

    Parameters
    ----------
    id, graph : str
        Its id, and the name of its graph.
    folder, runtime : Path
        The run folder, and the folder of sockets, which is gone once the run is.
    created : float
        When it was launched: seconds since 1970.
    detached : bool
        Whether it was launched to run without its launcher.
    """

    id: str
    graph: str
    folder: Path
    runtime: Path
    created: float
    detached: bool = False

    @property
    def alive(self) -> bool:
        """Whether anything of it still runs, or is about to."""
        return self.runtime.is_dir() and (_is_locked(self.runtime / SESSION_LOCK) or self._launcher_at_work())

    @property
    def outcome(self) -> dict[str, Any] | None:
        """How it ended: ``exit_code``, ``failure``, ``status``, ``ran``; None where nobody wrote that down (yet)."""
        return _read(self.folder / "outcome.json")

    @property
    def facts(self) -> dict[str, Any]:
        """All of ``run.json``."""
        return _read(self.folder / FACTS) or {}

    @property
    def state(self) -> str:
        """``running``, ``ended``, ``failed``, ``killed``, or ``lost``: gone without a word, as with its machine."""
        outcome = self.outcome
        if outcome is None:
            return "running" if self.alive else "lost"
        return {ExitCode.OK: "ended", ExitCode.KILLED: "killed"}.get(ExitCode(outcome["exit_code"]), "failed")

    def _launcher_at_work(self) -> bool:
        launcher = self.facts.get("launcher", {})
        pid = launcher.get("pid")
        return isinstance(pid, int) and process_start(pid) == launcher.get("start") is not None


def write_facts(folder: Path, runtime: Path, facts: dict[str, Any]) -> None:
    """Leave word of a new run in both of its folders; each file is whole or not there."""
    text = json.dumps(facts, indent=1)
    for place in (folder, runtime):
        spare = place / f"{FACTS}.new"
        spare.write_text(text)
        spare.replace(place / FACTS)


def run_in(folder: Path) -> RunRecord | None:
    """The run whose folder (either of the two) this is; None where it is no run's."""
    facts = _read(folder / FACTS)
    if facts is None:
        return None
    try:
        return RunRecord(
            facts["run"],
            facts["graph"],
            Path(facts["folder"]),
            Path(facts["runtime"]),
            float(facts["created"]),
            bool(facts.get("options", {}).get("detach", False)),
        )
    except (KeyError, TypeError, ValueError):
        return None  # of another version, or not ours at all


def live_runs() -> list[RunRecord]:
    """What runs on this machine now, for this user; the oldest first."""
    found = [run_in(folder) for base in runtime_dirs() for folder in _folders(base)]
    return sorted((run for run in found if run is not None and run.alive), key=_age)


def all_runs() -> list[RunRecord]:
    """Every run whose folder is still there, whether it runs or not; the oldest first."""
    live = live_runs()
    known = {run.folder for run in live}
    kept = [run_in(folder) for folder in _folders(runs_dir())]
    return sorted([*live, *(run for run in kept if run is not None and run.folder not in known)], key=_age)


def find_run(word: str, *, ended: bool = False) -> RunRecord:
    """The run that `word` means.

    Parameters
    ----------
    word : str
        An id or a unique beginning of one, a graph's name, a run's folder, or ``@`` for the only one.
    ended : bool
        Whether one that has ended will do, where none that runs is meant: of several, the last one.

    Raises
    ------
    RunNotFound
        None is meant, or several are; the message says what there is.
    """
    if "/" in word or word in (".", ".."):
        return _by_folder(Path(word), ended)
    live = live_runs()
    meant = _meant(word, live)
    if len(meant) == 1:
        return meant[0]
    if len(meant) > 1:
        which = "several runs" if word == ONLY else f"{word!r} may be any of several runs"
        raise RunNotFound(f"{which}: name one by its id\n{_listed(meant)}")
    if ended:
        past = _meant(word, [run for run in all_runs() if not run.alive])
        ids = {run.id for run in past}
        if past and (word == ONLY or len(ids) == 1 or all(run.graph == word for run in past)):
            return past[-1]
        if past:
            raise RunNotFound(f"{word!r} may be any of several runs that have ended\n{_listed(past)}")
        if word == ONLY:
            raise RunNotFound("there is no run on this machine; `rena-graph launch GRAPH` starts one")
        raise RunNotFound(f"there is no run {word!r}; `rena-graph list --all` shows all there are")
    raise RunNotFound(_nothing(word, live))


def _nothing(word: str, live: Sequence[RunRecord]) -> str:
    if not live:
        none = "no run is running on this machine"
        return none if word == ONLY else f"there is no run {word!r}: {none}; `rena-graph list --all` shows past ones"
    return f"there is no run {word!r}; these run\n{_listed(live)}"


def _meant(word: str, runs: Sequence[RunRecord]) -> list[RunRecord]:
    """All that a word may mean: an exact id wins over a name, and a name over the beginning of an id."""
    if word == ONLY:
        return list(runs)
    for matches in (
        [run for run in runs if run.id == word],
        [run for run in runs if run.graph == word],
        [run for run in runs if word and run.id.startswith(word)],
    ):
        if matches:
            return matches
    return []


def _by_folder(folder: Path, ended: bool) -> RunRecord:
    run = run_in(folder.expanduser())
    if run is None:
        raise RunNotFound(f"{folder} is not the folder of a run")
    if not ended and not run.alive:
        raise RunNotFound(f"run {run.id} ({run.graph}) is not running: it {_how(run)}")
    return run


def _how(run: RunRecord) -> str:
    state = run.state
    return f"was {state}" if state in ("lost", "killed") else f"has {state}"


def _listed(runs: Iterable[RunRecord]) -> str:
    import time

    lines = [
        f"  {run.id}  {run.graph}  since {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(run.created))}"
        for run in runs
    ]
    return "\n".join([*lines[:_SHOWN], *([f"  … and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else [])])


def _age(run: RunRecord) -> tuple[float, str]:
    return run.created, run.id


def _folders(base: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(base) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []  # removed meanwhile


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _is_locked(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
