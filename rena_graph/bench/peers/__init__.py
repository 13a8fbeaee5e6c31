"""Other software on the rows' workloads, each in an environment of its own; nothing here imports it."""
