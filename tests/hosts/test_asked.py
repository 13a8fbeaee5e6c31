"""Hosts of a real cluster, asked what they are, before a run makes anything on them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hosts.cluster import Cluster
from tests.hosts.rig import BIN
from tests.hosts.test_cluster import launch
from tests.runtime.live import counter, document

pytestmark = pytest.mark.hosts

ASK = """
import json, sys
import ray
from dataclasses import asdict
from rena_graph.runtime.hosts import fitness
head, gpu, address = sys.argv[1:]
ray.init(address=address, log_to_driver=False, configure_logging=False)
fitness.ANSWER_WITHIN = 30.0
needs = {"gpu": (["/not/there", sys.executable], ["/not/env"]), "head": ([], [])}
found = fitness._ask_ray({"gpu": gpu, "head": head}, needs)
fitness.ANSWER_WITHIN = 1.0
found |= fitness._ask_ray({"gone": "10.77.0.99"}, {"gone": ([], [])})
print(json.dumps({host: facts if isinstance(facts, str) else asdict(facts) for host, facts in found.items()}))
"""


def test_each_host_tells_what_it_is_and_one_that_is_not_there_does_not_hold_up(cluster: Cluster) -> None:
    gpu = cluster.workers["gpu"].address
    said = cluster.head.run(
        str(BIN / "python"), "-c", ASK, cluster.head.address, gpu, cluster.address, env=cluster.env, timeout=120
    )
    found = json.loads(said.splitlines()[-1])
    assert found["gone"] == "it did not answer within 1 s"
    assert found["gpu"] == {**found["head"], "missing": ["/not/there"], "unusable": ["has no /not/env"]}
    assert (found["head"]["no_ring"], len(found["head"]["code"])) == (None, 64)


WHERE = """
import json, stat
from pathlib import Path
from rena_graph import RenaScript
import beside

class Where(RenaScript):
    def init(self):
        here = Path(__file__)
        table = Path(self.params["table"])
        told = [str(here), oct(stat.S_IMODE(here.stat().st_mode)), beside.__file__, table.read_text(), str(table)]
        Path(self.params["out"]).write_text(json.dumps(told))

    def loop(self):
        pass
"""


def test_scripts_what_they_import_and_listed_files_are_on_the_host_of_their_node(
    cluster: Cluster, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    (study / "scripts").mkdir(parents=True)
    (study / "scripts" / "where.py").write_text(WHERE)
    (study / "scripts" / "beside.py").write_text("")
    (study / "table.txt").write_text("rows")
    params = {"table": {"type": "path", "value": "table.txt"}, "out": str(tmp_path / "out.json")}
    node = {"script": "scripts/where.py", "inputs": ["C"], "params": params, "placement": {"num_gpus": 1}}
    path = study / "graph.json"
    path.write_text(json.dumps({**document({"C": counter(250, samples=100)}, {"w": node}), "files": ["table.txt"]}))
    assert launch(cluster, str(path))["exit_code"] == 0
    script, mode, module, text, table = json.loads((tmp_path / "out.json").read_text())
    root = Path(script).parents[1]
    assert (root.parent.name, mode, text) == ("code", "0o600", "rows")
    assert (module, table) == (str(root / "scripts" / "beside.py"), str(root / "table.txt"))
    assert root.parents[2] == Path("/run/user/rena-graph"), "in the run's folder of sockets, which goes with it"
