"""rena_graph."""
