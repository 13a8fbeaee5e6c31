"""What ``rena-graph bench`` runs: one module a row of the table of targets, and the floors they are held against."""
