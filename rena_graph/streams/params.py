"""What a script sees as ``self.params``, and how it changes while the script runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from rena_graph.errors import ParamRefused
from rena_graph.graph.document import ParamDef
from rena_graph.graph.param_check import check_param, definition_problem, param_def, parse_param

__all__ = ["ParamChanges", "Params", "check_param", "parse_param"]


@dataclass(frozen=True)
class ParamChanges:
    """Changes that take effect together. Picklable.

    Parameters
    ----------
    values : mapping of str to value
        New values of parameters that exist.
    add : mapping of str to ParamDef or plain value
        New parameters; a name that exists gets a new definition and its value.
    remove : tuple of str
        Parameters that cease to exist.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, Any] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


class Params(dict[str, Any]):
    """The parameters of a script: ``self.params['threshold']``.

    Parameters
    ----------
    definitions : mapping of str to ParamDef or plain value
        As in the graph; a plain value defines its own type.
    folder : path, optional
        That of the graph file, from which relative paths are taken.

    Raises
    ------
    ParamRefused
        A definition whose own value it does not allow.
    """

    def __init__(
        self, definitions: Mapping[str, ParamDef | Any] | None = None, *, folder: str | os.PathLike[str] | None = None
    ) -> None:
        super().__init__()
        self._folder = folder
        self.definitions: dict[str, ParamDef] = {}
        """Type and range of each."""
        self.apply(ParamChanges(add=definitions or {}))

    def apply(self, *changes: ParamChanges | Mapping[str, Any]) -> None:
        """Make all changes, in their order and at once; a mapping sets values.

        Raises
        ------
        ParamRefused
            One of them is not allowed: nothing at all is changed.
        """
        definitions, values = dict(self.definitions), dict(self)
        for change in changes:
            self._apply_one(change if isinstance(change, ParamChanges) else ParamChanges(change), definitions, values)
        self.definitions = definitions
        self.clear()
        self.update(values)

    def _apply_one(self, change: ParamChanges, definitions: dict[str, ParamDef], values: dict[str, Any]) -> None:
        for name in change.remove:
            self._require(name, definitions)
            del definitions[name]
            values.pop(name, None)
        for name, plain in change.add.items():
            definition = param_def(plain)
            problem = definition_problem(definition)
            if problem is not None:
                raise ParamRefused(f"parameter {name!r}: {problem}")
            definitions[name] = definition
            values[name] = check_param(definition, definition.value, name=name, folder=self._folder)
        for name, value in change.values.items():
            self._require(name, definitions)
            values[name] = check_param(definitions[name], value, name=name, folder=self._folder)

    @staticmethod
    def _require(name: str, definitions: Mapping[str, ParamDef]) -> None:
        if name in definitions:
            return
        near = get_close_matches(name, definitions, 1)
        if near:
            hint = f"did you mean {near[0]!r}?"
        else:
            hint = f"the parameters are {', '.join(map(repr, definitions)) or 'none'}"
        raise ParamRefused(f"there is no parameter {name!r}; {hint}")
