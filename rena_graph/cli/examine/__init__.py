"""What ``rena-graph doctor`` looks at, one kind of thing a module."""
