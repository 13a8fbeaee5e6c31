"""One node: its process, its loop, and what feeds it."""
