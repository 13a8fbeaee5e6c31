"""Compiles the kernel while the package is built; without a C compiler the package is all Python."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]
    """Puts the kernel beside its sources, from where an editable install takes it, and into a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before anything is packed; `version` is ``standard`` or ``editable``."""
        folder = Path(self.root, "rena_graph", "kernel")
        spec = importlib.util.spec_from_file_location("building", folder / "building.py")
        assert spec is not None
        assert spec.loader is not None
        building = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(building)
        target = folder / building.file_name()
        if reason := building.build(folder, target):
            target.unlink(missing_ok=True)
            self.app.display_warning(f"rena-graph is installed without its compiled kernel: {reason}")
            return
        build_data["artifacts"].append(f"/rena_graph/kernel/{target.name}")
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
