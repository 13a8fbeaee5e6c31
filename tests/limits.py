"""How long tests wait, in one place: a slow machine that does ten other things is no failure."""

from __future__ import annotations

__all__ = ["LIMIT", "PATIENCE"]

LIMIT = 90.0
"""Seconds that anything may take that does come."""
PATIENCE = 10.0
"""Seconds of a node's window: such a machine may hold a process up for longer than the second that is the default."""
