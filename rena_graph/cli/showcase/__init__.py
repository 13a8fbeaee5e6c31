"""What ``rena-graph demo`` adds to a launch: it listens to the example from outside, and says what it showed."""
