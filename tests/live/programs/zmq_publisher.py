"""A publisher written with bare pyzmq, which knows nothing of rena_graph.

Binds the port that it is given, or any; says which, then ``subscribed`` once somebody listens. Each line of its
standard input is a list of messages, each a list of parts in hexadecimal; it answers ``sent``.
"""

from __future__ import annotations

import json
import sys

import zmq


def say(line: str) -> None:
    """One line to whoever started this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


context = zmq.Context()
# To subscribers an XPUB is a PUB; to its owner it also tells who subscribes.
publisher = context.socket(zmq.XPUB)
publisher.linger = 1000
publisher.sndhwm = 0  # else it throws away what it is told to send faster than the network takes it
publisher.bind(f"tcp://127.0.0.1:{sys.argv[1] if len(sys.argv) > 1 else '*'}")
say(publisher.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])
publisher.recv()
say("subscribed")
for line in sys.stdin:
    for message in json.loads(line):
        publisher.send_multipart([bytes.fromhex(part) for part in message])
    say("sent")
publisher.close()
context.term()
