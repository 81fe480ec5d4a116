"""How PostgreSQL would run a statement of `app/store/sql`, known without running it."""

from app.infra.database import Connection, Database
from app.store.statements import Statement


def explain(db: Database, *, name: str) -> str:
    """Return the generic plan of the statement `name`, such as `leases/claim`. Raises FileNotFoundError."""
    statement = Statement(name)
    with db.read() as conn:
        return plan(conn, statement)


def plan(conn: Connection, statement: Statement) -> str:
    """Return the plan that every execution gets, whatever its parameters; checks every name on the way."""
    nulls = ", ".join(["null"] * len(statement.parameters))
    conn.exec_driver_sql(f"prepare explained as {statement.prepared.replace('%', '%%')}")
    try:
        execute = f"explain execute explained({nulls})" if nulls else "explain execute explained"
        return "\n".join(row[0] for row in conn.exec_driver_sql(execute))
    finally:
        conn.exec_driver_sql("deallocate explained")
