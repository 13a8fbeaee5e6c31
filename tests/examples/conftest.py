"""What the tests of the examples share: where they lie, and their scripts as modules."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from rena_graph.runtime.node.script_loader import load_script

GRAPHS = Path(__file__).resolve().parents[2] / "graphs"


@pytest.fixture(scope="session")
def graphs() -> Path:
    """The folder of the examples."""
    return GRAPHS


@pytest.fixture(scope="session")
def script_module() -> Callable[[str], ModuleType]:
    """Gives an example's script as a module, for what stands in it beside the script's class."""

    def load(path: str) -> ModuleType:
        script_class = load_script(GRAPHS / path, "test")
        return sys.modules[script_class.__module__]

    return load
