"""The rules of the doctor: from what it looked at to findings, each with what to do about it."""

from collections.abc import Callable, Iterator, Sequence

from app.domain.doctor import (
    DAMAGING,
    FREEZE_SHARE,
    IDLE_LEAST_MS,
    REQUIRED,
    UNVACUUMED,
    XID_FAILSAFE,
    Facts,
    Finding,
    Holder,
    Limits,
    RoleSetting,
    Severity,
    time_ms,
)

_ROLES = "run `rowline db roles --apply` as a superuser, or as the owner of the database with CREATEROLE"
_ORDER = tuple(Severity)
SHOWN = 5
"""How many names a finding lists."""
Rule = Callable[[Facts, Limits, str], Iterator[Finding]]


def findings(facts: Facts, *, limits: Limits, release: str) -> list[Finding]:
    """Return what is wrong, the worst first. `release` is the revision that this code was written for."""
    found = [finding for rule in _RULES for finding in rule(facts, limits, release)]
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))


def _broken(code: str, found: str, todo: str) -> Finding:
    return Finding(code=code, severity=Severity.BROKEN, found=found, todo=todo)


def _warning(code: str, found: str, todo: str) -> Finding:
    return Finding(code=code, severity=Severity.WARNING, found=found, todo=todo)


def _hint(code: str, found: str, todo: str) -> Finding:
    return Finding(code=code, severity=Severity.HINT, found=found, todo=todo)


def _not_ready(facts: Facts, _limits: Limits, _release: str) -> Iterator[Finding]:
    """Yield what also keeps a node from being ready, but for settings, which have a rule of their own."""
    for fault in facts.server:
        yield _broken("server", fault, "connect to a primary of PostgreSQL 15 or newer")
    for fault in facts.schema:
        yield _broken("schema", fault, "migrate, or replace this release, as the message says; see upgrading.md")
    for fault in facts.pooler:
        yield _broken("pooler", fault, "see poolers.md")


def _settings(facts: Facts, _limits: Limits, _release: str) -> Iterator[Finding]:
    told = {(one.name, _in_session(one)) for one in facts.of_roles}  # with whose it is
    for name, value in facts.settings.items():
        if (name, value) in told:
            continue
        if name in REQUIRED and value not in REQUIRED[name][0]:
            yield _broken("setting", f"PostgreSQL has {name}={value}: {REQUIRED[name][1]}", _set(name))
        elif name in DAMAGING and value != "off":
            yield _broken("setting", f"PostgreSQL has {name}={value}: {DAMAGING[name]}", f"set {name} = off")
        elif name in UNVACUUMED and value != "on":
            text = f"PostgreSQL has {name}={value}: {UNVACUUMED[name]}, and the tables grow"
            yield _warning("autovacuum_off", text, f"set {name} = on")
        elif name == "data_checksums" and value == "off":
            text = "PostgreSQL has no data checksums: a page that a disk changed is not noticed"
            yield _hint("no_checksums", text, "stop the server and run `pg_checksums --enable`")
        elif name == "idle_session_timeout":
            yield from _idle(f"PostgreSQL has {name}", f"{value}ms")


def _in_session(one: RoleSetting) -> str:
    """Return the value of a setting of a role as `pg_settings` has it."""
    value_ms = time_ms(one.value) if one.name == "idle_session_timeout" else None
    return _plain(one.value) if value_ms is None else f"{value_ms:.0f}"


def _set(name: str) -> str:
    value = {"default_transaction_read_only": "off", "server_encoding": ""}.get(name, "on")
    return f"set {name} = {value}" if value else "restore a dump into a database with the encoding UTF8"


def _idle(whose: str, value: str) -> Iterator[Finding]:
    value_ms = time_ms(value)
    if value_ms is not None and 0 < value_ms < IDLE_LEAST_MS:
        text = f"{whose}={value}: idle connections of Rowline end, also the one that waits for NOTIFYs"
        yield _warning("idle_timeout", text, "set idle_session_timeout = 0 for the roles of Rowline's programs")


def _settings_of_roles(facts: Facts, _limits: Limits, _release: str) -> Iterator[Finding]:
    for one in facts.of_roles:
        value = one.value.lower()
        if one.name == "idle_session_timeout":
            yield from _idle(f"{one.whose} has {one.name}", value)
        elif _plain(value) not in REQUIRED[one.name][0]:
            text = f"{one.whose} has {one.name}={one.value} for new sessions: {REQUIRED[one.name][1]}"
            yield _broken("setting_of_role", text, f"`alter {one.altered} reset {one.name}`")


def _plain(value: str) -> str:
    """Return a spelling of a boolean as PostgreSQL shows it."""
    words = {"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off"}
    return words.get(value.lower(), value.lower())


def _holders(facts: Facts, limits: Limits, _release: str) -> Iterator[Finding]:
    for holder in facts.holders:
        if holder.held_s is not None and holder.held_s >= limits.snapshot_s and holder.kind in ("session", "standby"):
            text = f"{_named(holder)} holds a snapshot since {holder.held_s:,.0f} s: dead rows stay until it ends"
            yield _warning("old_snapshot", text, _end(holder))
            return
    if any(holder.is_hidden for holder in facts.holders):
        text = "sessions of other roles hold snapshots, and this role may not see since when"
        yield _hint(
            "hidden_sessions", text, "run `rowline doctor` as a superuser, or grant pg_read_all_stats to the role"
        )


def _named(holder: Holder) -> str:
    said = f", state {holder.state}" if holder.state else ""
    last = f", {'last ' if holder.state != 'active' else ''}statement {holder.statement}" if holder.statement else ""
    return f"the {holder.kind} {holder.pid} of the role {holder.role}, {holder.name}{said}{last},"


def _end(holder: Holder) -> str:
    if holder.kind == "standby":
        return "end the long query on the standby, or set hot_standby_feedback = off there"
    return f"let it end, or `select pg_terminate_backend({holder.pid})`"


def _prepared(facts: Facts, limits: Limits, _release: str) -> Iterator[Finding]:
    for one in facts.prepared:
        if one.held_s >= limits.prepared_s:
            text = (
                f"the prepared transaction {one.number} of the role {one.role} is open since {one.held_s:,.0f} s: "
                "it keeps its locks, and dead rows"
            )
            shown = f"`select gid from pg_prepared_xacts where transaction = '{one.number}'`"  # noqa: S608 - for people
            yield _warning("prepared_transaction", text, f"{shown}, then COMMIT PREPARED or ROLLBACK PREPARED")


def _slots(facts: Facts, limits: Limits, _release: str) -> Iterator[Finding]:
    for slot in facts.slots:
        drop = f"`select pg_drop_replication_slot('{slot.name}')` if nobody comes back to it"
        if slot.wal_status == "lost":
            text = f"the replication slot {slot.name} has lost WAL: whoever uses it has to begin anew"
            yield _warning("slot_lost", text, drop)
        elif slot.held_bytes is not None and (not slot.is_active or slot.held_bytes >= limits.slot_bytes):
            how = "is used by nobody and" if not slot.is_active else "is behind: it"
            text = f"the replication slot {slot.name} {how} holds {slot.held_bytes:,} bytes of WAL, which fill the disk"
            yield _warning("slot_holds_wal", text, f"start its consumer; {drop}; set max_slot_wal_keep_size")


def _tables(facts: Facts, limits: Limits, _release: str) -> Iterator[Finding]:
    for table in facts.tables:
        if not table.is_vacuumed:
            text = f"autovacuum is off for the table rowline.{table.name}: nobody removes its dead rows"
            yield _warning("autovacuum_off", text, f"`alter table rowline.{table.name} reset (autovacuum_enabled)`")
        if table.dead_rows >= limits.dead_rows and 2 * table.dead_rows >= table.live_rows:
            text = (
                f"the table rowline.{table.name} has about {table.dead_rows:,} dead rows, and {table.live_rows:,} live"
            )
            yield _warning(
                "dead_rows", text, f"end what holds a snapshot, if anything does; then `vacuum rowline.{table.name}`"
            )


def _xids(facts: Facts, _limits: Limits, _release: str) -> Iterator[Finding]:
    text = f"the oldest transaction id of the database is {facts.xid_age:,} transactions old"
    todo = "end old snapshots, prepared transactions and unused slots, then `vacuum freeze` as the owner"
    if facts.xid_age >= XID_FAILSAFE:
        yield _broken("xid_age", f"{text}: PostgreSQL will refuse all writes at 2,100,000,000", todo)
    elif facts.xid_age >= FREEZE_SHARE * facts.freeze_max_age:
        late = f"autovacuum should have begun at {facts.freeze_max_age:,}, and does not succeed"
        yield _warning("xid_age", f"{text}: {late}", todo)


def _notify(facts: Facts, limits: Limits, _release: str) -> Iterator[Finding]:
    if facts.notify_s is None:
        text = "NOTIFYs do not arrive: jobs are found by polling, later and at a higher cost"
        yield _warning("notify_lost", text, "behind a pooler set ROWLINE_LISTEN_URL to PostgreSQL itself (poolers.md)")
    elif facts.notify_s >= limits.notify_s:
        text = f"a NOTIFY takes {facts.notify_s:.3f} s to arrive"
        todo = "look for transactions that send NOTIFYs and commit slowly, and for a busy server or a slow network"
        yield _warning("notify_slow", text, todo)


def _connections(facts: Facts, limits: Limits, _release: str) -> Iterator[Finding]:
    for limit in facts.limits:
        if limit.most >= 0 and limit.used >= limits.connections_share * limit.most:
            text = (
                f"{limit.used} of the {limit.most} connections of {limit.name} are used, "
                f"{facts.rowline_connections} by programs of Rowline in this database"
            )
            yield _warning("connections", text, "raise the limit, end unused programs, or use a pooler (poolers.md)")


def _nodes(facts: Facts, _limits: Limits, release: str) -> Iterator[Finding]:
    for program in facts.programs:
        named = f"{program.name} of {program.release or 'no release'}, {program.connections} connections"
        if program.is_older_than(facts.revision or release):
            text = f"an older node is connected: {named}; the schema is at {facts.revision or 'none'}"
            yield _warning("older_node", text, "replace it: until then what needs the newer release is refused (409)")
        elif program.release > release:
            yield _hint("newer_node", f"a newer node is connected: {named}; this is {release}", "replace this release")


def _rights(facts: Facts, _limits: Limits, _release: str) -> Iterator[Finding]:
    by_role: dict[str, list[str]] = {}
    for one in facts.missing:
        by_role.setdefault(one.role, []).append(f"{one.right} on {one.on}")
    for role, rights in by_role.items():
        yield _broken("right_missing", f"the role {role} lacks rights: {_listed(rights)}", _ROLES)


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _indexes(facts: Facts, _limits: Limits, _release: str) -> Iterator[Finding]:
    for index in facts.invalid_indexes:
        text = f"the index {index} is invalid, since its build was interrupted: it only slows down writes"
        yield _warning("invalid_index", text, f"drop it and run `rowline db upgrade`, or `reindex index {index}`")


def _work(facts: Facts, _limits: Limits, _release: str) -> Iterator[Finding]:
    logs = "see `tick_failed` and `plan_step_failed` in the logs; is an API, a worker or a dispatcher running?"
    if facts.is_fold_still:
        text = f"{facts.deltas} changes of counts are not folded: no process makes the rounds"
        yield _broken("not_folded", text, logs)
    for name in facts.still_plans:
        yield _warning("plan_stands_still", f"the plan {name} makes no step", logs)
    for name in facts.still_terms:
        yield _warning("terms_stand_still", f"the terms of {name} are not filled: there was no step", logs)
    if facts.waiting_terms:
        text = f"the terms of {_listed(facts.waiting_terms)} wait for old transactions, or for older nodes, to end"
        yield _warning("terms_wait", text, "end what holds an old snapshot; replace older nodes (find.md)")


def _secrets(facts: Facts, _limits: Limits, _release: str) -> Iterator[Finding]:
    if facts.unreadable:
        text = f"no key of this process decrypts the secrets of the endpoints of {_listed(facts.unreadable)}"
        yield _broken(
            "secret_key_missing",
            text,
            "give all processes the same ROWLINE_SECRET_KEYS, or register the endpoints again",
        )


_RULES: tuple[Rule, ...] = (
    *(_not_ready, _settings, _settings_of_roles, _rights, _secrets, _work, _xids),
    *(_holders, _prepared, _slots, _tables, _connections, _notify, _nodes, _indexes),
)
