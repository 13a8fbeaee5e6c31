"""What the processes of a run share on one host, as files: the board, the rings, and what scripts have saved."""

from __future__ import annotations

from rena_graph.runtime.plan import Plan
from rena_graph.transport.board import Board
from rena_graph.transport.links import check_shared_memory, create_stream, remove_stream
from rena_graph.transport.state_files import StateFiles

__all__ = ["make_shared", "remove_shared"]


def make_shared(plan: Plan) -> Board:
    """Board and rings, instead of what an agent that died over making them has left.

    Raises
    ------
    SharedMemoryShort
        They do not fit.
    """
    ports = list(plan.ports.values())
    for port in ports:
        remove_stream(port)
    plan.paths.board.unlink(missing_ok=True)
    check_shared_memory(ports)
    board = Board.create(
        plan.paths.board, streams=len(plan.graph.streams), edges=plan.edge_count, nodes=len(plan.graph.nodes)
    )
    for port in ports:
        create_stream(port)
    return board


def remove_shared(plan: Plan, board: Board) -> None:
    """All of it, once nobody needs it any more."""
    for port in plan.ports.values():
        remove_stream(port)
    for index in plan.node_rows.values():
        StateFiles.remove(plan.paths.state(index))
    board.close()
    plan.paths.board.unlink(missing_ok=True)
