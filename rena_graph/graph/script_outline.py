"""Which classes a script file defines, read from its syntax tree: a script's code is never executed here."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rena_graph.graph.syntax_trees import making_trees

__all__ = ["RENA_SCRIPTS", "ScriptOutline", "outline_script"]

RENA_SCRIPTS = frozenset(
    {
        "rena_graph.RenaScript",
        "rena_graph.script.RenaScript",
        "rena.scripting.RenaScript.RenaScript",
        "physiolabxr.scripting.RenaScript.RenaScript",
    }
)
"""Full names of the classes that a script's class may descend from."""

_STAR = {"rena_graph": "RenaScript", **{name.rpartition(".")[0]: "RenaScript" for name in RENA_SCRIPTS}}


@dataclass(frozen=True)
class ScriptOutline:
    """What a script file defines.

    Parameters
    ----------
    classes : tuple of (str, int)
        Its ``RenaScript`` classes and their lines. One that another class of the file is derived from is only a base,
        and not among them.
    unsure : tuple of (str, int)
        Classes with a base from another file, of which only running the script could tell what they are.
    """

    classes: tuple[tuple[str, int], ...]
    unsure: tuple[tuple[str, int], ...]


def outline_script(code: bytes, name: str = "script") -> ScriptOutline:
    """Parse and compile a script, without running it.

    Raises
    ------
    SyntaxError
        With line and column; also for what Python refuses otherwise, such as a NUL or endless nesting.
    """
    if b"\0" in code:  # Python's own error has another type and place in each version
        before = code[: code.index(b"\0")]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise SyntaxError("a NUL byte in the code", (name, line, column, None))
    with making_trees():
        try:
            tree = ast.parse(code, name)
            # Finds what the grammar alone allows, such as a return outside of a function.
            compile(tree, name, "exec", dont_inherit=True)
        except (ValueError, RecursionError, MemoryError, OverflowError) as error:
            raise SyntaxError(str(error) or "the code is nested too deep", (name, 1, 1, None)) from None
    return _Names().outline(tree)


class _Names:
    """What the names of a module's top level stand for."""

    def __init__(self) -> None:
        self._full: dict[str, str] = {}
        self._classes: dict[str, ast.ClassDef] = {}
        self._any_star = False

    def outline(self, tree: ast.Module) -> ScriptOutline:
        for statement in _top_level(tree.body):
            self._note(statement)
        kinds = {name: self._kind(name, set()) for name in self._classes}
        bases = {base for node in self._classes.values() for base in map(self._resolve, node.bases) if base}
        found = [(name, self._classes[name].lineno) for name, kind in kinds.items() if kind and name not in bases]
        unsure = [(name, self._classes[name].lineno) for name, kind in kinds.items() if kind is None]
        return ScriptOutline(tuple(found), tuple(unsure))

    def _note(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                # `import a.b` binds a; `import a.b as c` binds c to a.b.
                bound = alias.asname or alias.name.partition(".")[0]
                self._full[bound] = alias.name if alias.asname else bound
        elif isinstance(statement, ast.ImportFrom):
            self._note_from(statement)
        elif isinstance(statement, ast.ClassDef):
            self._classes[statement.name] = statement
            self._full.pop(statement.name, None)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            full = self._resolve(statement.value)
            for target in targets:
                if full is not None and isinstance(target, ast.Name):
                    self._full[target.id] = full

    def _note_from(self, statement: ast.ImportFrom) -> None:
        module = "." * statement.level + (statement.module or "")
        for alias in statement.names:
            if alias.name != "*":
                self._full[alias.asname or alias.name] = f"{module}.{alias.name}"
            elif module in _STAR:
                self._full[_STAR[module]] = f"{module}.{_STAR[module]}"
            else:
                self._any_star = True

    def _resolve(self, node: ast.expr) -> str | None:
        """The full name of an expression; a class of this file by its own name; None where it is no name."""
        attributes: list[str] = []
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            if isinstance(node, ast.Attribute):
                attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        if not attributes and node.id in self._classes and node.id not in self._full:
            return node.id
        return ".".join([self._full.get(node.id, f"?{node.id}"), *reversed(attributes)])

    def _kind(self, name: str, above: set[str]) -> bool | None:
        """Whether the class descends from RenaScript; None where only running the script could tell."""
        kind: bool | None = False
        for base in self._classes[name].bases:
            full = self._resolve(base)
            if full in RENA_SCRIPTS:
                return True
            if full in self._classes and full not in above and full != name and full is not None:
                inner = self._kind(full, above | {name}) if len(above) < 100 else None
            else:
                inner = None if self._may_be(full) else False
            if inner:
                return True
            kind = None if inner is None else kind
        return kind

    def _may_be(self, full: str | None) -> bool:
        """Whether a base of this full name might be a RenaScript: not one of Python's own."""
        if full is None:
            return True
        if full.startswith("?"):
            return self._any_star or not hasattr(builtins, full[1:])
        return full.partition(".")[0] not in _PLAIN_MODULES


_PLAIN_MODULES = {"abc", "collections", "dataclasses", "enum", "threading", "typing", "typing_extensions"}


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module in their order, those inside of if, try, with and loops too."""
    stack = [iter(body)]
    while stack:
        statement = next(stack[-1], None)
        if statement is None:
            stack.pop()
            continue
        yield statement
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        inner: list[ast.stmt] = []
        for field in ("body", "handlers", "orelse", "finalbody"):
            for child in getattr(statement, field, None) or ():
                inner.extend(child.body if isinstance(child, ast.ExceptHandler) else [child])
        if inner:
            stack.append(iter(inner))
