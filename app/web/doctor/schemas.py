"""The response of GET /doctor."""

from typing import Any

from marshmallow import Schema, fields

from app.domain.doctor import Report, Severity
from app.wire.fields import Milliseconds


class FindingSchema(Schema):
    """Something that is wrong, and what to do about it."""

    code = fields.String(required=True)
    severity = fields.Enum(Severity, by_value=True, required=True)
    found = fields.String(required=True)
    todo = fields.String(required=True)


class HolderSchema(Schema):
    """What keeps dead rows. Of a statement the command alone, of a program its name if it is a known one."""

    kind = fields.String(required=True, metadata={"description": "session, prepared, slot or standby"})
    name = fields.String(required=True)
    pid = fields.Integer(required=True, allow_none=True)
    role = fields.String(required=True, allow_none=True)
    state = fields.String(required=True, allow_none=True)
    since = Milliseconds(required=True, allow_none=True)
    statement = fields.String(required=True, allow_none=True)
    transactions = fields.Integer(required=True, metadata={"description": "how many have begun since"})


class LimitSchema(Schema):
    """A limit of connections. `most` is -1 if there is none."""

    name = fields.String(required=True)
    used = fields.Integer(required=True)
    most = fields.Integer(required=True)


class SlotSchema(Schema):
    """A replication slot."""

    name = fields.String(required=True)
    isActive = fields.Boolean(attribute="is_active", required=True)
    heldBytes = fields.Integer(attribute="held_bytes", required=True, allow_none=True)


class FiguresSchema(Schema):
    """What the doctor looked at, also where nothing is wrong."""

    oldestSnapshot = fields.Nested(HolderSchema, required=True, allow_none=True)
    preparedTransactions = fields.Integer(required=True)
    slots = fields.List(fields.Nested(SlotSchema), required=True)
    xidAge = fields.Integer(attribute="xid_age", required=True)
    notifyMs = fields.Float(required=True, allow_none=True)
    deadRows = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    connections = fields.List(fields.Nested(LimitSchema), required=True)
    rowlineConnections = fields.Integer(attribute="rowline_connections", required=True)
    unfoldedDeltas = fields.Integer(attribute="deltas", required=True)


class DoctorSchema(Schema):
    """The findings, the worst first, and the figures."""

    findings = fields.List(fields.Nested(FindingSchema), required=True)
    figures = fields.Nested(FiguresSchema, required=True)
    asOf = fields.Integer(required=True, metadata={"description": "ms since the epoch"})


_schema = DoctorSchema()


def dump(report: Report) -> dict[str, Any]:
    """Return the JSON of a report."""
    facts = report.facts
    figures = {
        "oldestSnapshot": facts.holders[0] if facts.holders else None,
        "preparedTransactions": len(facts.prepared),
        "slots": facts.slots,
        "xid_age": facts.xid_age,
        "notifyMs": None if facts.notify_s is None else round(facts.notify_s * 1000, 3),
        "deadRows": {table.name: table.dead_rows for table in facts.tables},
        "connections": facts.limits,
        "rowline_connections": facts.rowline_connections,
        "deltas": facts.deltas,
    }
    as_of = int(facts.now.timestamp() * 1000)
    return dict(_schema.dump({"findings": report.findings, "figures": figures, "asOf": as_of}))
