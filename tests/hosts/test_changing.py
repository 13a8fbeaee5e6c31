"""Scripts and files that change while a graph runs, on the host that it was launched on: nodes on others follow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hosts.cluster import Cluster
from tests.hosts.studies import FOLDER
from tests.hosts.test_several import nothing_left
from tests.runtime.live import counter, document, wait_until

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(300)]

SCRIPT = """
from pathlib import Path
from rena_graph import RenaScript
from beside import WORD

class Follow(RenaScript):
    def init(self):
        self.table = None

    def loop(self):
        if self.params["table"] != self.table:
            self.table = self.params["table"]
            print(f"version {version} {WORD} reads {Path(self.table).read_text()}", flush=True)
"""


class Study:
    """A folder that only the head has, with a node on the other host."""

    def __init__(self, cluster: Cluster, scratch: Path) -> None:
        self.cluster = cluster
        self.scratch = scratch
        cluster.head.run("rm", "-rf", FOLDER)
        cluster.head.run("mkdir", "-p", f"{FOLDER}/tables")
        self.script(1)
        self.write("beside.py", "WORD = 'one'\n")
        self.write("tables/a.txt", "A")
        self.write("tables/b.txt", "B")
        node = {
            "script": "follow.py", "inputs": ["C"], "run_frequency": 20, "placement": {"num_gpus": 1},
            "params": {"table": {"type": "path", "value": "tables/a.txt"}},
        }  # fmt: skip
        graph = {**document({"C": {**counter(100), "host": cluster.head.address}}, {"w": node}), "files": ["tables"]}
        self.write("graph.json", json.dumps(graph))

    def write(self, name: str, text: str) -> None:
        spare = self.scratch / "spare"
        spare.write_text(text)
        self.cluster.head.run("cp", str(spare), f"{FOLDER}/{name}")

    def script(self, version: int) -> None:
        self.write("follow.py", SCRIPT.replace("{version}", str(version)))

    def launch(self, *words: str) -> None:
        self.cluster.rena_graph("launch", f"{FOLDER}/graph.json", "--detach", "--address", self.cluster.address, *words)

    def says(self, text: str) -> None:
        def said() -> bool:
            return text in self.cluster.rena_graph("logs", "@")

        wait_until(said, what=text)

    def end(self) -> None:
        self.cluster.rena_graph("stop", "@")
        wait_until(lambda: not self.cluster.head.pids("rena_graph.runtime"), what="the end of the run")
        nothing_left(self.cluster)


@pytest.fixture
def study(cluster: Cluster, tmp_path: Path) -> Study:
    return Study(cluster, tmp_path)


def test_a_restart_takes_what_has_changed_along(study: Study) -> None:
    study.launch()
    study.says("version 1 one reads A")
    study.cluster.rena_graph("params", "set", "@", "w.table=tables/b.txt")
    study.says("version 1 one reads B")
    study.cluster.rena_graph("params", "set", "@", f"w.table={FOLDER}/tables/a.txt")
    study.says("version 1 one reads A\n")
    study.script(2)
    study.write("beside.py", "WORD = 'two'\n")
    study.write("tables/a.txt", "new A")
    study.cluster.rena_graph("restart", "@", "w")
    study.says("version 2 two reads new A")
    far = study.cluster.workers["gpu"]
    (run,) = far.files("/run/user/rena-graph")
    assert len(far.files(f"/run/user/rena-graph/{run}/code")) == 1, "what nobody runs any more is gone"
    study.end()


def test_reload_follows_a_script_to_the_host_of_its_node(study: Study) -> None:
    study.launch("--reload")
    study.says("version 1 one reads A")
    study.script(2)
    study.says("version 2 one reads A")
    study.write("beside.py", "WORD = 'three'\n")
    study.says("version 2 three reads A")
    node = json.loads(study.cluster.rena_graph("status", "@", "--json"))["nodes"]["w"]
    assert (node["host"], node["reloads"], node["restarts"]) == (study.cluster.workers["gpu"].address, 2, 0)
    study.end()
