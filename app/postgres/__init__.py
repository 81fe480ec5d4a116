"""How Rowline talks to PostgreSQL: connections, pools, prepared statements, notifications, migrations."""
