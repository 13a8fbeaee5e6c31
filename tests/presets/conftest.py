"""A study in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.presets.samples import Study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)
