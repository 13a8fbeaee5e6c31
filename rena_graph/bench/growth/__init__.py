"""How cost grows: one module a series, each with one thing that is made larger from point to point."""
