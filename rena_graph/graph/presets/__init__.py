"""Import from PhysioLabXR: its preset files become a graph. The folder ``scripts`` is copied, never imported."""

from __future__ import annotations

from rena_graph.graph.presets.importer import Imported, import_presets

__all__ = ["Imported", "import_presets"]
