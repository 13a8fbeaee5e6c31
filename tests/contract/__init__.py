"""The script contract, one test named after each row."""
