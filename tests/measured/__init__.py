"""Promises whose words are figures: how long, how many, what share. Each is measured at the size that it names."""
