"""Parameter values from outside the document: ``--set node.param=value`` and the Python interface."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rena_graph.errors import UsageError
from rena_graph.graph.document import NodeDef, ParamDef
from rena_graph.graph.param_check import check_param, param_def, parse_param
from rena_graph.graph.wording import Nearest, did_you_mean, join

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
    return node, name, param_def(params[name])


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
        target = target.strip()
        values[target] = parse_param(find_param(nodes, target)[2], text, name=target)
    return values


def changed_params(nodes: Mapping[str, NodeDef], values: Mapping[str, Any]) -> dict[str, NodeDef]:
    """The nodes with other parameter values; nothing is changed where one is refused."""
    changed = dict(nodes)
    for target, value in values.items():
        node, name, param = find_param(nodes, target)
        checked = check_param(param, value, name=target)
        params = {**changed[node].params, name: param.model_copy(update={"value": checked})}
        changed[node] = changed[node].model_copy(update={"params": params})
    return changed


def _unknown(message: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = did_you_mean(Nearest()(name, names))
    return f"{message}; {near or 'there is ' + join(names, 'and')}"
