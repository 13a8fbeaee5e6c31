"""From a script's file to its ``RenaScript`` class and object, and errors that show the author's frames, not ours."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import logging
import os
import re
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from rena_graph.compat.rpc import rpc_methods
from rena_graph.errors import ScriptLoadError
from rena_graph.script import RenaScript, ScriptContext

__all__ = ["format_user_error", "instantiate", "load_script"]

logger = logging.getLogger(__name__)

_PACKAGE = str(Path(__file__).resolve().parents[2]) + os.sep
_serial = itertools.count(1)


def load_script(path: str | os.PathLike[str], node_name: str) -> type[RenaScript]:
    """Import a script file and return the one ``RenaScript`` class that it defines.

    The file becomes a module of its own at each call; its folder stays on ``sys.path``, so that it can import what lies
    beside it. A class that another class of the file is derived from is only a base, and does not count.

    Parameters
    ----------
    path : path
        The script.
    node_name : str
        Named in errors, and in the module's name.

    Raises
    ------
    ScriptLoadError
        The file cannot be read or imported, or does not define exactly one such class, or one without ``loop``.
    """
    file = Path(path).resolve()
    module = _import_file(file, node_name)
    try:
        return _only_script_class(module, file, node_name)
    except ScriptLoadError:
        sys.modules.pop(module.__name__, None)
        raise


def instantiate(script: type[RenaScript], context: ScriptContext) -> RenaScript:
    """Make the script's object.

    Raises
    ------
    ScriptLoadError
        Its ``__init__`` fails, takes other arguments than ``*args, **kwargs``, or does not pass them on.
    """
    file = inspect.getsourcefile(script) or "<unknown>"
    where = f"node {context.node!r}: {script.__name__} in {file}"
    try:
        inspect.signature(script).bind(context=context)
    except TypeError as error:
        raise ScriptLoadError(f"{where}: its __init__ must take (self, *args, **kwargs): {error}") from error
    try:
        made = script(context=context)
    except ScriptLoadError as error:
        raise ScriptLoadError(f"{where}: {error}") from error
    except (Exception, SystemExit) as error:
        raise ScriptLoadError(f"{where}: __init__ failed\n{format_user_error(error, file)}") from error
    if getattr(made, "_context", None) is not context:
        raise ScriptLoadError(f"{where}: its __init__ does not call super().__init__(*args, **kwargs)")
    marked = rpc_methods(script)
    if marked:
        logger.warning(
            "%s has methods to be called from outside, which is not possible yet: %s", where, ", ".join(marked)
        )
    return made


def format_user_error(error: BaseException, script_path: str | os.PathLike[str]) -> str:
    """The traceback of an exception, without the frames that are ours.

    Shown are the frames from the first one in the script's folder on; of those, what lies in rena_graph or in the
    import machinery is left out. The causes of the exception are treated alike.

    Parameters
    ----------
    error : BaseException
        What the script raised.
    script_path : path
        The script's file.
    """
    folder = os.path.join(os.path.realpath(os.path.dirname(os.fspath(script_path))), "")
    report = traceback.TracebackException.from_exception(error)
    _keep_user_frames(report, folder)
    return "".join(report.format()).rstrip("\n")


def _keep_user_frames(report: traceback.TracebackException, folder: str) -> None:
    pending: list[traceback.TracebackException | None] = [report]
    while pending:
        current = pending.pop()
        if current is None:
            continue
        frames = list(current.stack)
        first = next((i for i, frame in enumerate(frames) if _is_users(frame.filename, folder)), 0)
        kept = [f for f in frames[first:] if _is_users(f.filename, folder) or not _is_machinery(f.filename)]
        current.stack = traceback.StackSummary.from_list(kept)
        pending += [current.__cause__, current.__context__, *(getattr(current, "exceptions", None) or ())]


def _is_users(filename: str, folder: str) -> bool:
    """Whether a file is the script's, or lies beside it.

    We may lie below the script's folder ourselves (``study/.venv``), and the bundled examples lie below ours.
    """
    if not os.path.realpath(filename).startswith(folder):
        return False
    return folder.startswith(_PACKAGE) or not _is_machinery(filename)


def _is_machinery(filename: str) -> bool:
    return filename.startswith("<frozen importlib") or os.path.realpath(filename).startswith(_PACKAGE)


def _import_file(file: Path, node_name: str) -> ModuleType:
    name = f"rena_script_{re.sub(r'[^0-9A-Za-z_]', '_', node_name)}_{next(_serial)}"
    spec = importlib.util.spec_from_file_location(name, file, loader=SourceFileLoader(name, str(file)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    folder = str(file.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    # Pickle and dataclasses look a class's module up by name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise ScriptLoadError(_why_not(error, file, node_name)) from error
    return module


def _why_not(error: BaseException, file: Path, node_name: str) -> str:
    where = f"node {node_name!r}: cannot load {file}"
    if isinstance(error, OSError) and error.filename is not None and Path(error.filename) == file:
        return f"{where}: {error.strerror}"
    hint = ""
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        hint = f"\nInstall {package!r} in the environment in which the node runs, or put it beside the script."
    elif isinstance(error, SystemExit):
        hint = "\nA script must not end the process when it is imported; its work belongs into init() and loop()."
    return f"{where}\n{format_user_error(error, file)}{hint}"


def _line(script: type) -> str:
    try:
        return f" (line {inspect.getsourcelines(script)[1]})"
    except (OSError, TypeError):
        return ""  # not written as a class statement


def _only_script_class(module: ModuleType, file: Path, node_name: str) -> type[RenaScript]:
    classes = {obj for obj in vars(module).values() if inspect.isclass(obj)}
    scripts = sorted((c for c in classes if issubclass(c, RenaScript)), key=lambda c: c.__name__)
    defined = [c for c in scripts if c.__module__ == module.__name__]
    defined = [c for c in defined if not any(issubclass(other, c) and other is not c for other in defined)]
    where = f"node {node_name!r}: {file}"
    if len(defined) > 1:
        listed = ", ".join(f"{c.__name__}{_line(c)}" for c in defined)
        raise ScriptLoadError(f"{where} defines {len(defined)} subclasses of RenaScript, and must define one: {listed}")
    if not defined:
        others = sorted(c.__name__ for c in classes if c.__module__ == module.__name__)
        found = f"it defines {', '.join(others)}" if others else "it defines no class"
        imported = [c.__name__ for c in scripts if not c.__module__.startswith("rena_graph.")]
        if imported:
            found += f", and imports {', '.join(imported)}"
        raise ScriptLoadError(f"{where} defines no subclass of RenaScript: {found}")
    script = defined[0]
    missing = sorted(getattr(script, "__abstractmethods__", ()))
    if missing:
        raise ScriptLoadError(f"{where}: {script.__name__} has no {' and no '.join(f'{m}()' for m in missing)}")
    return script
