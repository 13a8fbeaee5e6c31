"""What runs a graph: nodes, pacing, coordinator, host agent, and the Ray shell around them."""
