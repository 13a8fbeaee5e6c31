"""``rena-graph plan``: where nodes would run, for people and as JSON; nothing is started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import run_cli

HOSTS = '{"hosts": {"lab": {"num_cpus": 4}, "gpu": {"address": "10.0.0.2", "num_cpus": 8, "num_gpus": 1}}}'


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "n.py").write_text(
        "from rena_graph import RenaScript\nclass N(RenaScript):\n    def loop(self): pass\n"
    )
    graph = {
        "version": 1,
        "name": "study",
        "streams": {"EEG": {"from": {"lsl": {"name": "x"}}, "channels": 64, "rate": 1000, "dtype": "float32"}},
        "nodes": {
            "classify": {
                "script": "n.py",
                "inputs": ["EEG"],
                "outputs": {"label": {"channels": 1}},
                "placement": {"num_gpus": 1},
            },
            "feedback": {"script": "n.py", "inputs": ["label"], "placement": {"host": "lab"}},
        },
    }
    (tmp_path / "study.json").write_text(json.dumps(graph))
    (tmp_path / "hosts.json").write_text(HOSTS)
    return tmp_path


def test_it_says_who_is_where_and_what_flows(study: Path) -> None:
    done = run_cli("plan", "study.json", "--hosts", "hosts.json", cwd=study)
    assert done.returncode == 0, done.stderr
    assert "gpu (10.0.0.2): 8 CPU, 1 GPU" in done.stdout
    assert "runs classify" in done.stdout
    assert "runs feedback; takes in EEG; the coordinator" in done.stdout
    assert "2.11 Mbit/s" in done.stdout
    assert "unknown, irregular" in done.stdout


def test_packages_that_nodes_ask_for_are_listed(study: Path) -> None:
    graph = json.loads((study / "study.json").read_text())
    (study / "needs.txt").write_text("# for the net\nmne==1.8.0\n")
    graph["nodes"]["classify"] |= {"pip": "needs.txt", "environment": "/opt/envs/torch"}
    (study / "study.json").write_text(json.dumps(graph))
    for words in (("plan", "study.json", "--hosts", "hosts.json"), ("launch", "study.json", "--dry-run")):
        done = run_cli(*words, cwd=study)
        assert done.returncode == 0, done.stderr
        assert "classify  mne==1.8.0  from /opt/envs/torch" in done.stdout
        said = json.loads(run_cli(*words, "--json", cwd=study).stdout)
        if words[0] == "plan":
            found = said["packages"]["classify"]
        else:
            found = next(node for node in said["nodes"] if node["name"] == "classify")
        assert (found["pip"], found["environment"]) == (["mne==1.8.0"], "/opt/envs/torch")


def test_as_json(study: Path) -> None:
    done = run_cli("plan", "study.json", "--hosts", "hosts.json", "--json", cwd=study)
    plan = json.loads(done.stdout)
    assert plan["nodes"] == {"classify": "gpu", "feedback": "lab"}
    assert plan["streams"] == {"EEG": "lab"}
    assert plan["coordinator"] == "lab"
    assert plan["crossings"] == [
        {"stream": "EEG", "from": "lab", "to": "gpu", "mbit": 2.112},
        {"stream": "label", "from": "gpu", "to": "lab", "mbit": None},
    ]
    assert plan["links"][0] == {"from": "lab", "to": "gpu", "mbit": 2.112}


def test_what_no_host_has_ends_with_5(study: Path) -> None:
    (study / "hosts.json").write_text('{"hosts": {"lab": {"num_cpus": 4}}}')
    done = run_cli("plan", "study.json", "--hosts", "hosts.json", cwd=study)
    assert done.returncode == 5
    assert "node 'classify' asks for 1 GPU, which no host has" in done.stderr
    assert "lab: 4 CPU" in done.stderr


@pytest.mark.parametrize(
    "words", [(), ("--hosts", "hosts.json", "--address", "auto"), ("--address", "local"), ("--hosts", "no.json")]
)
def test_the_hosts_must_be_said_in_one_way(words: tuple[str, ...], study: Path) -> None:
    assert run_cli("plan", "study.json", *words, cwd=study).returncode == 2


@pytest.mark.ray
def test_the_hosts_of_a_running_ray(study: Path, ray_address: str) -> None:
    done = run_cli("plan", "study.json", "--address", ray_address, cwd=study)
    assert done.returncode == 5
    assert "asks for 1 GPU" in done.stderr
    text = (study / "study.json").read_text().replace('"num_gpus": 1', '"num_cpus": 0')
    (study / "study.json").write_text(text.replace('{"host": "lab"}', '{"near": "classify"}'))
    done = run_cli("plan", "study.json", "--address", ray_address, "--json", cwd=study)
    assert done.returncode == 0, done.stderr
    assert len(set(json.loads(done.stdout)["nodes"].values())) == 1
