"""How chunks move between processes. Knows no Ray and no script."""
