"""What `rowline run` needs: an embedded PostgreSQL, its programs and its home, and the processes beside it."""
