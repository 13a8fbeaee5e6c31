"""A subscriber written with bare pyzmq, which knows nothing of rena_graph.

Its arguments: a port of this machine, a topic. Says ``hearing`` at its first message; when its standard input ends, it
says all messages, as a JSON list of lists of parts in hexadecimal.
"""

from __future__ import annotations

import json
import sys

import zmq

QUIET = 500  # ms without a message after which no more is on its way


def say(line: str) -> None:
    """One line to whoever started this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


context = zmq.Context()
subscriber = context.socket(zmq.SUB)
subscriber.linger = 0
subscriber.connect(f"tcp://127.0.0.1:{sys.argv[1]}")
subscriber.subscribe(sys.argv[2].encode())
poller = zmq.Poller()
poller.register(subscriber, zmq.POLLIN)
poller.register(sys.stdin.fileno(), zmq.POLLIN)
messages: list[list[str]] = []
while True:
    ready = dict(poller.poll(QUIET))
    if subscriber in ready:
        messages.append([part.hex() for part in subscriber.recv_multipart()])
        if len(messages) == 1:
            say("hearing")
    elif sys.stdin.fileno() in ready and not subscriber.poll(QUIET):
        break
say(json.dumps(messages))
subscriber.close()
context.term()
