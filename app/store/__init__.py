"""All SQL. Functions take `conn` first, never commit, and return domain values."""
