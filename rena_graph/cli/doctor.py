"""``rena-graph doctor``: looks whether this machine has what runs need, and says what to do where it has not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from rena_graph.cli.options import json_option
from rena_graph.cli.output import columns, write_json, write_line
from rena_graph.errors import ExitCode

if TYPE_CHECKING:
    from rena_graph.cli.examine.finding import Finding

__all__ = ["command", "examine", "finding_lines"]

_MARKS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


@click.command("doctor")
@click.option("--ray", "with_ray", is_flag=True, help="Start a Ray too, which takes some seconds.")
@json_option("As a JSON list of what, verdict (ok, warn, fail), found and remedy.")
def command(with_ray: bool, as_json: bool) -> None:
    """Look whether this machine has what runs need.

    Ends with exit code 5 where something fails; warnings leave it at 0. Nothing is changed, nothing leaves this
    machine but LSL's own search.
    """
    findings = list(examine(with_ray=with_ray))
    if as_json:
        write_json([dataclasses.asdict(finding) for finding in findings])
    else:
        for line in finding_lines(findings):
            write_line(line)
    if any(finding.verdict == "fail" for finding in findings):
        raise SystemExit(ExitCode.ENVIRONMENT)


def examine(*, with_ray: bool) -> Iterator[Finding]:
    """Look at everything; the slow Ray only where asked for."""
    from rena_graph.cli.examine import exposure, machine, services, software

    yield from software.packages()
    yield software.liblsl()
    yield machine.cores()
    yield machine.shared_memory()
    yield machine.ring()
    yield machine.open_files()
    yield machine.loopback()
    yield machine.lsl_ports()
    yield machine.state_folder()
    yield machine.runtime_folder()
    yield machine.ray_token()
    yield exposure.ray_auth()
    yield exposure.lsl_reach()
    yield services.lsl()
    if with_ray:
        yield services.ray()


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """The findings as lines, each remedy below its finding, and a last line that sums them up."""
    heads = columns((_MARKS[finding.verdict], finding.what, finding.found) for finding in findings)
    lines: list[str] = []
    for head, finding in zip(heads, findings, strict=True):
        lines.append(head)
        if finding.remedy:
            lines.append(f"      → {finding.remedy}")
    failed = sum(finding.verdict == "fail" for finding in findings)
    warned = sum(finding.verdict == "warn" for finding in findings)
    if not failed and not warned:
        return [*lines, "", "All is well."]
    return [*lines, "", f"{failed} failed, {warned} to look at." if failed else f"Runs work; {warned} to look at."]
