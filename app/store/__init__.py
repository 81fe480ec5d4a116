"""How it is written: every byte of SQL. Functions take `conn` first, never commit, and return domain values."""
