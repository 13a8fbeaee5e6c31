"""Parameter values from outside the document: ``--set node.param=value`` and the Python interface."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rena_graph.errors import ParamRefused, UsageError
from rena_graph.graph.document import NodeDef, ParamDef
from rena_graph.graph.params import as_param, param_from_text, refusal
from rena_graph.graph.wording import Nearest, did_you_mean, join, show

__all__ = ["changed_params", "find_param", "parse_settings"]


def find_param(nodes: Mapping[str, NodeDef], target: str) -> tuple[str, str, ParamDef]:
    """The node, the parameter's name and its definition for ``node.param``.

    Raises
    ------
    UsageError
        Where there is none; names the nearest.
    """
    node, dot, name = target.partition(".")
    if not dot or not name:
        raise UsageError(f'a parameter is written as node.param, not "{target}"')
    if node not in nodes:
        raise UsageError(_unknown(f'there is no node "{node}"', node, nodes))
    params = nodes[node].params
    if name not in params:
        raise UsageError(_unknown(f'node {node} has no parameter "{name}"', name, params))
    return node, name, as_param(params[name])


def parse_settings(nodes: Mapping[str, NodeDef], settings: Iterable[str]) -> dict[str, Any]:
    """What ``--set`` was given, as ``{"node.param": value}`` with values of the parameters' types.

    Parameters
    ----------
    nodes : mapping of str to NodeDef
        The graph's.
    settings : iterable of str
        Each ``node.param=value``; lists as JSON.

    Raises
    ------
    UsageError, ParamRefused
        For what is no setting, and for values of the wrong type or out of range.
    """
    values = {}
    for setting in settings:
        target, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f'a parameter is set as node.param=value, not "{setting}"')
        param = find_param(nodes, target.strip())[2]
        try:
            value = param_from_text(param, text)
        except ParamRefused as error:
            raise ParamRefused(f"{target.strip()}: {error}") from None
        _refuse(param, target.strip(), value)
        values[target.strip()] = value
    return values


def changed_params(nodes: Mapping[str, NodeDef], values: Mapping[str, Any]) -> dict[str, NodeDef]:
    """The nodes with other parameter values; nothing is changed where one is refused."""
    changed = dict(nodes)
    for target, value in values.items():
        node, name, param = find_param(nodes, target)
        _refuse(param, target, value)
        params = {**changed[node].params, name: param.model_copy(update={"value": value})}
        changed[node] = changed[node].model_copy(update={"params": params})
    return changed


def _refuse(param: ParamDef, target: str, value: object) -> None:
    refused = refusal(param, value)
    if refused is not None:
        raise ParamRefused(f"{target} cannot be {show(value)}: allowed is {refused[1]}")


def _unknown(message: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = did_you_mean(Nearest()(name, names))
    return f"{message}; {near or 'there is ' + join(names, 'and')}"
