"""Where a stream crosses between the graph and the outside: LSL, ZMQ, recordings, simulators."""
