"""``rena-graph why``: why nothing flows at a place of a running graph, and what to do about it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rena_graph.cli.options import json_option
from rena_graph.cli.output import write_json, write_line
from rena_graph.cli.runs import complete_places, held, run_argument
from rena_graph.cli.view.lines import clean

if TYPE_CHECKING:
    from rena_graph.runtime.why.explain import Explanation

__all__ = ["answer_lines", "command"]

_APART = 1.0
"""Seconds between the two looks."""


@click.command("why")
@run_argument()
@click.argument("place", metavar="NODE[.STREAM]", shell_complete=complete_places)
@json_option("flows and findings: place, verdict, text, remedy, depth.")
def command(run: str, place: str, as_json: bool) -> None:
    """Say why nothing flows at NODE, or at one of its streams, following the graph upwards; or that it flows.

    It looks twice, a second apart.
    """
    from rena_graph.runtime.why.explain import explain, place_of
    from rena_graph.runtime.why.situation import Situation

    with held(run) as handle:
        before = handle.status()
        document = json.loads((handle.folder / "graph.json").read_bytes())
        node, stream = place_of(place, Situation(document, before, before))
        time.sleep(_APART)
        now = Situation(document, before, handle.status())
        answer = explain(now, node, stream)
        if as_json:
            write_json({"flows": answer.flows, "findings": [asdict(finding) for finding in answer.findings]})
            return
        for line in answer_lines(answer, place, handle.id):
            write_line(line)


def answer_lines(answer: Explanation, place: str, run: str) -> list[str]:
    """The answer first, then the way that led to it, indented by how far up."""
    lines = [f"it flows at {place}" if answer.flows else f"nothing flows at {place}"]
    if not answer.flows:
        causes = answer.causes
        if causes:
            lines[0] += f", since {causes[0].place}: {clean(causes[0].text)}"
        lines += [f"and {cause.place}: {clean(cause.text)}" for cause in causes[1:]]
    for finding in answer.findings:
        if finding.remedy is not None and finding.verdict in ("stops", "slows"):
            remedy = f"  → {finding.remedy.replace('RUN', run)}"
            if remedy not in lines:
                lines.append(remedy)
    width = max((2 * f.depth + len(f.place) for f in answer.findings), default=0)
    way = [f"{'  ' * f.depth + f.place:{width}}  {clean(f.text)}" for f in answer.findings]
    return [*lines, "", *way] if way else lines
