"""``completion`` and ``version``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rena_graph.cli.group import VERBS
from rena_graph.errors import ExitCode
from tests.cli.running import run_cli
from tests.limits import LIMIT


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str) -> None:
    done = run_cli("completion", shell)
    assert done.returncode == 0
    assert "_RENA_GRAPH_COMPLETE" in done.stdout
    assert "rena-graph" in done.stdout


def test_an_unknown_shell() -> None:
    done = run_cli("completion", "tcsh")
    assert done.returncode == ExitCode.USAGE
    assert "'bash', 'zsh', 'fish'" in done.stderr


def test_bash_completes_with_it(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    # The command under its own name, whatever environment the tests run in.
    command = tmp_path / "rena-graph"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rena_graph.cli "$@"\n')
    command.chmod(0o755)
    script = """
source <(rena-graph completion bash)
COMP_WORDS=(rena-graph launch --dr); COMP_CWORD=2
_rena_graph_completion rena-graph
echo "${COMPREPLY[@]}"
COMPREPLY=(); COMP_WORDS=(rena-graph ""); COMP_CWORD=1
_rena_graph_completion rena-graph
echo "${COMPREPLY[@]}"
"""
    env = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([bash, "--norc", "-c", script], capture_output=True, text=True, timeout=LIMIT, env=env)
    option, verbs = done.stdout.splitlines()
    assert option == "--dry-run"
    assert verbs.split() == list(VERBS)
    assert done.stderr == ""


def test_version_names_what_it_stands_on() -> None:
    lines = run_cli("version").stdout.splitlines()
    assert lines[0].split()[0] == "rena-graph"
    found = json.loads(run_cli("version", "--json").stdout)
    assert [line.split()[0] for line in lines] == list(found)
    assert found["python"].startswith(sys.version.split()[0])
    assert found["ray"]
