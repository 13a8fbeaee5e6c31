"""Hosts of a cluster: what each has, and what runs where."""
