"""The table of `docs/fault-tolerance.md`: tests add rows, and ``python -m tests.faults.table FILE`` puts them in.

Rows are kept where ``RENA_FAULT_TABLE`` names a file (one JSON object a line); without it nothing is written.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["FaultRow", "markdown", "record"]

PAGE = Path(__file__).parents[2] / "docs" / "fault-tolerance.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


@dataclass(frozen=True)
class FaultRow:
    """What one fault did.

    Parameters
    ----------
    fault : str
        What was done, and to whom.
    outcome : str
        What became of the node or the run.
    detected : float | None
        Seconds from the fault to the run's first word about it; None where there is none to be said.
    first_sample : float | None
        Seconds from the fault to the first sample that the node's reader got after it; None where none comes.
    lost, repeated : int | None
        Samples on the way from the node's source to its reader; None where it does not apply.
    neighbours : float | None
        Rate of the nodes beside, from the fault to a second after the first sample, as a share of what is asked.
    """

    fault: str
    outcome: str
    detected: float | None = None
    first_sample: float | None = None
    lost: int | None = None
    repeated: int | None = None
    neighbours: float | None = None


def record(row: FaultRow) -> None:
    """Keep one row."""
    path = os.environ.get("RENA_FAULT_TABLE")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row)) + "\n")


def markdown(rows: list[FaultRow]) -> str:
    """The rows as a table, those of nodes first; of a fault that was recorded several times the newest counts."""
    frame = ("coordinator", "host agent", "launcher", "node and coordinator", "Ray's", "wall clock")
    newest = {row.fault: row for row in sorted(rows, key=lambda row: (row.fault.startswith(frame), row.fault))}
    head = "| fault | what became of it | seen after | first sample after | lost | repeated | neighbours' rate |"
    lines = [head, "| --- | --- | --- | --- | --- | --- | --- |"]
    for row in newest.values():
        cells = (row.fault, row.outcome, _seconds(row.detected), _seconds(row.first_sample), _count(row.lost),
                 _count(row.repeated), "" if row.neighbours is None else f"{100 * row.neighbours:.1f} %")  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def _count(value: int | None) -> str:
    return "" if value is None else str(value)


def main(source: str) -> None:
    rows = [FaultRow(**json.loads(line)) for line in Path(source).read_text(encoding="utf-8").splitlines()]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{markdown(rows)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
