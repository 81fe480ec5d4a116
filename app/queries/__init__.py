"""What may be known: reads, each in one READ ONLY snapshot, so that PostgreSQL itself refuses a write."""
