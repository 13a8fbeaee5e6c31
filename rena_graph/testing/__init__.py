"""What script authors test with."""
