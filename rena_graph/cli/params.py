"""``rena-graph params``: the parameters of a running graph's nodes, seen and set."""

from __future__ import annotations

import json
from typing import Any

import click

from rena_graph.cli.options import json_option
from rena_graph.cli.output import columns, talk, write_json, write_line
from rena_graph.cli.runs import NOT_YET, complete_nodes, complete_params, held, run_argument
from rena_graph.errors import UsageError

__all__ = ["command"]


@click.group("params")
def command() -> None:
    """See and set parameters of a running graph's nodes."""


@command.command("list")
@run_argument()
@click.argument("nodes", metavar="[NODE]...", nargs=-1, shell_complete=complete_nodes)
@json_option("By node and parameter: type, value and range.")
def list_params(run: str, nodes: tuple[str, ...], as_json: bool) -> None:
    """List the parameters of RUN, or of some of its nodes: value, type and range."""
    with held(run) as handle:
        asked = nodes or tuple(handle.status()["nodes"])
        found = {node: _definitions(handle.ask({"op": "params", "node": node})) for node in asked}
    if as_json:
        write_json(found)
        return
    rows = [
        (f"{node}.{name}", json.dumps(p["value"], ensure_ascii=False), p["type"], _range(p))
        for node, params in found.items()
        for name, p in params.items()
    ]
    if not rows:
        talk("there are no parameters")
        return
    for line in columns(rows, ("parameter", "value", "type", "allowed")):
        write_line(line)


def _definitions(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the coordinator says of each, with the value of now."""
    return {name: {**answer["definitions"][name], "value": value} for name, value in answer["params"].items()}


def _range(param: dict[str, Any]) -> str:
    if param.get("choices"):
        return ", ".join(map(str, param["choices"]))
    low, high = param.get("min"), param.get("max")
    if low is None and high is None:
        return ""
    if high is None:
        return f"{low:g} or more"
    return f"at most {high:g}" if low is None else f"{low:g} to {high:g}"


def _split(target: str) -> tuple[str, str]:
    node, dot, name = target.partition(".")
    if not dot or not node or not name:
        raise UsageError(f"a parameter is written as NODE.PARAM, not {target!r}")
    return node, name


@command.command("get")
@run_argument()
@click.argument("target", metavar="NODE.PARAM", shell_complete=complete_params)
def get_param(run: str, target: str) -> None:
    """Print one parameter's value as JSON: true, 3, 0.5, "text", [1, 2]."""
    node, name = _split(target)
    with held(run) as handle:
        params = handle.change_params(node)
    if name not in params:
        raise UsageError(f"node {node!r} has no parameter {name!r}; it has {', '.join(params) or 'none'}")
    write_line(json.dumps(params[name], ensure_ascii=False))


@command.command("set")
@run_argument()
@click.argument("settings", metavar="NODE.PARAM=VALUE...", nargs=-1, required=True, shell_complete=complete_params)
def set_params(run: str, settings: tuple[str, ...]) -> None:
    """Set parameters; the node's next loop() sees them, those of one node all together.

    A VALUE is read by the parameter's type, as by `launch --set`. One that is of the wrong type or out of range is
    refused, and of that node nothing is changed.
    """
    changes: dict[str, dict[str, str]] = {}
    for setting in settings:
        target, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"a parameter is set as NODE.PARAM=VALUE, not {setting!r}")
        node, name = _split(target.strip())
        changes.setdefault(node, {})[name] = text
    with held(run) as handle:
        for node, texts in changes.items():
            answer = handle.ask({"op": "params", "node": node, "set_text": texts})
            for name in texts:
                value = json.dumps(answer["params"][name], ensure_ascii=False)
                write_line(f"{node}.{name} = {value}{'' if answer['applied'] else NOT_YET}")
