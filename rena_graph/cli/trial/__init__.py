"""What ``rena-graph run-script`` is made of: recorded inputs cut into pieces, and one script run on them."""
