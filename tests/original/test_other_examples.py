"""Examples of the package that use its helper modules: these come from the installed package, the rest from us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.limits import LIMIT
from tests.original.harnessed import EEG_RATE, LATENCY


def run(scene: str, script: str, site: Path, folder: Path, *, installed: bool = True) -> dict[str, Any]:
    """What the script sent. Only the package itself is put on the path, not the older NumPy that lies beside it."""
    if installed:
        (folder / "physiolabxr").symlink_to(site / "physiolabxr")
    done = subprocess.run(
        [sys.executable, "-m", "tests.original.harnessed", scene, str(site / "physiolabxr" / script)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    if done.returncode:
        return {"failed": done.stderr}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_erp_extraction(original_site: Path, tmp_path: Path) -> None:
    answer = run("erp", "examples/ERPExtraction.py", original_site, tmp_path)
    assert answer["error"] is None
    erps = np.array(answer["sent"]["ERPs"])
    assert erps.shape == (int(0.9 * EEG_RATE), 2)
    at = LATENCY + round(0.1 * EEG_RATE)
    assert np.abs(np.argmax(erps, axis=0) - at).max() <= 1
    np.testing.assert_allclose(erps.max(axis=0), [5.0, 9.0])


def test_multi_modal_classifier_fails_by_its_own_mistake(original_site: Path, tmp_path: Path) -> None:
    """It gives a helper of the package its arguments in a wrong order, there as here."""
    answer = run("erp", "examples/MultiModalClassifier.py", original_site, tmp_path)
    assert answer["error"].startswith("IndexError: only integers")


@pytest.mark.parametrize("script", ["FixationDetectionGapFill.py", "FixationDetectionNoVideo.py"])
def test_fixation_detection(script: str, original_site: Path, tmp_path: Path) -> None:
    answer = run("gaze", f"deprecated/{script}", original_site, tmp_path)
    assert answer["error"] is None
    filled = np.array(answer["sent"]["gap_filled_xyz"])
    assert filled.shape == (400, 3)
    np.testing.assert_allclose(filled[50:55], [[0.0, 0.0, 1.0]] * 5, err_msg="the gap is filled")
    if "NoVideo" in script:
        fixations = np.array(answer["sent"]["fixations"])[:, 0]
        assert (fixations[:150] == 1).all()
        assert (fixations[195:205] == 0).any(), "the jump is no fixation"


def test_without_the_package_the_error_says_what_to_install(original_site: Path, tmp_path: Path) -> None:
    said = run("erp", "examples/ERPExtraction.py", original_site, tmp_path, installed=False)["failed"]
    assert "no module 'physiolabxr.scripting.physio" in said
    assert "pip install physiolabxr" in said
