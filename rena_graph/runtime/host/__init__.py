"""The host agent: a host's rings, board and bridges, and what it reports of them."""
