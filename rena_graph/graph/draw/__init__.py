"""Draws a graph: as text for terminals, Mermaid, DOT, or SVG. Needs no library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from rena_graph.graph.draw.dot import draw_dot
from rena_graph.graph.draw.mermaid import draw_mermaid
from rena_graph.graph.draw.svg import draw_svg
from rena_graph.graph.draw.text import draw_text
from rena_graph.graph.model import Graph

__all__ = ["FORMATS", "draw_dot", "draw_mermaid", "draw_svg", "draw_text"]

FORMATS: Mapping[str, Callable[[Graph], str]] = MappingProxyType(
    {"text": draw_text, "mermaid": draw_mermaid, "dot": draw_dot, "svg": draw_svg}
)
"""What draws each format."""
