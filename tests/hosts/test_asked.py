"""Hosts of a real cluster, asked what they are, before a run makes anything on them."""

from __future__ import annotations

import json

import pytest

from tests.hosts.cluster import Cluster
from tests.hosts.rig import BIN

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(300)]

ASK = """
import json, sys
import ray
from dataclasses import asdict
from rena_graph.runtime.hosts import fitness
head, gpu, address = sys.argv[1:]
ray.init(address=address, log_to_driver=False, configure_logging=False)
fitness.ANSWER_WITHIN = 30.0
found = fitness._ask_ray({"gpu": gpu, "head": head}, {"gpu": ["/not/there", sys.executable]})
fitness.ANSWER_WITHIN = 1.0
found |= fitness._ask_ray({"gone": "10.77.0.99"}, {})
print(json.dumps({host: facts if isinstance(facts, str) else asdict(facts) for host, facts in found.items()}))
"""


def test_each_host_tells_what_it_is_and_one_that_is_not_there_does_not_hold_up(cluster: Cluster) -> None:
    gpu = cluster.workers["gpu"].address
    said = cluster.head.run(
        str(BIN / "python"), "-c", ASK, cluster.head.address, gpu, cluster.address, env=cluster.env, timeout=120
    )
    found = json.loads(said.splitlines()[-1])
    assert found["gone"] == "it did not answer within 1 s"
    assert found["gpu"] == {**found["head"], "missing": ["/not/there"]}
    assert (found["head"]["no_ring"], len(found["head"]["code"])) == (None, 64)
