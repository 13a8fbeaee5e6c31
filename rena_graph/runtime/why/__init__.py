"""Why nothing flows at a place of a running graph: a pure function over the graph and two statuses of the run."""
