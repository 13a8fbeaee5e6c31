"""What `rena-graph bench` runs."""
