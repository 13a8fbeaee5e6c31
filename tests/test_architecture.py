"""The structure that ARCHITECTURE.md promises, held against the code."""

from __future__ import annotations

import ast
import importlib
import pickle
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rena_graph
from rena_graph import errors

PACKAGE = Path(rena_graph.__file__).parent

LAYERS = (
    ("errors", "kernel"),
    ("graph",),
    ("streams",),
    ("script", "transport"),
    ("bridges", "compat"),
    ("runtime",),
    ("api", "testing", "examples", "bench"),
    ("cli",),
)
"""From the bottom up: a module imports from its own layer's own folder and from below, never from above."""

RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def imports_of(path: Path) -> Iterator[tuple[str, int]]:
    """Modules of ours that a file imports, at any depth of nesting, type-checking blocks left out."""
    tree = ast.parse(path.read_text())
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped.update(ast.walk(node))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name.startswith("rena_graph"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rena_graph"):
            if node.module == "rena_graph":
                yield from ((f"rena_graph.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module or "", node.lineno


def modules() -> list[Path]:
    return [p for p in sorted(PACKAGE.rglob("*.py")) if "_graphs" not in p.parts]


def test_nothing_imports_upwards() -> None:
    wrong = []
    for path in modules():
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for module, line in imports_of(path):
            other = [*module.split("."), ""][1]
            if other in RANK and other != own and RANK[other] >= RANK[own]:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_every_room_has_its_layer() -> None:
    rooms = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in modules()} - {"__init__"}
    assert rooms == set(RANK)


def test_modules_say_what_they_are_and_are_not_too_long() -> None:
    for path in modules():
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is"
        assert text.count("\n") <= 400, f"{path} has {text.count(chr(10))} lines"


@pytest.mark.parametrize("module", ["rena_graph", "rena_graph.cli"])
def test_importing_is_light(module: str) -> None:
    heavy = ("ray", "zmq", "pylsl", "networkx", "numpy", "pydantic", "pyxdf", "rich", "scipy")
    code = f"import sys, {module}; print(*[m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_public_names_are_what_is_there() -> None:
    for name in rena_graph.__all__:
        assert getattr(rena_graph, name) is not None
    assert set(dir(rena_graph)) == set(rena_graph.__all__)
    with pytest.raises(AttributeError):
        rena_graph.no_such_name  # noqa: B018 - the lookup is the test


def test_every_module_can_be_imported() -> None:
    for info in pkgutil.walk_packages([str(PACKAGE)], "rena_graph."):
        if "_graphs" not in info.name and not info.name.endswith("__main__"):
            importlib.import_module(info.name)


def all_errors() -> list[type[errors.RenaGraphError]]:
    found, waiting = [], [errors.RenaGraphError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        # Not those that other tests have made.
        waiting.extend(each for each in kind.__subclasses__() if each.__module__.startswith("rena_graph."))
    return found


def test_every_error_survives_pickling_and_has_an_exit_code() -> None:
    from rena_graph.graph.problems import Problem

    test_every_module_can_be_imported()
    assert len(all_errors()) > 15
    for kind in all_errors():
        if kind is errors.GraphInvalid:
            continue
        again = pickle.loads(pickle.dumps(kind("what", "more")))
        assert type(again) is kind
        assert again.args == ("what", "more")
        assert again.exit_code in errors.ExitCode
    problem = Problem("G101", "error", "unknown input")
    again = pickle.loads(pickle.dumps(errors.GraphInvalid("g.json", [problem])))
    assert again.problems == (problem,)
    assert "g.json" in str(again)


def test_no_swallowed_errors_and_no_prints() -> None:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"{path}:{node.lineno}: a bare except"


def test_pickle_is_read_only_from_files_that_are_the_user_s_own() -> None:
    """What docs/security.md promises: nothing that came over a socket is unpickled."""
    found = set()
    for path in modules():
        if path.relative_to(PACKAGE).parts[0] == "bench":
            continue  # what it unpickles it has pickled itself
        for node in ast.walk(ast.parse(path.read_text())):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if re.fullmatch(r"(cloud)?(pickle|dill|marshal|shelve)\.(loads?|open|Unpickler)|loads", called):
                found.add(str(path.relative_to(PACKAGE)))
    assert found == {"runtime/setup.py", "runtime/run_setup.py"}
    for name in found:
        text = (PACKAGE / name).read_text()
        assert text.index("st_uid != os.getuid()") < text.index("pickle.loads"), f"{name} looks whose file it is first"
