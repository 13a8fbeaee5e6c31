"""What a run tells Prometheus: the metrics, and the server that a session keeps for them."""
