"""Schedules: jobs that are added again and again. The paths name them as BullMQ does, schedulers."""

from random import Random

from flask import Blueprint, Response, request

from app.domain import schedule as times
from app.domain import scheduled
from app.domain.errors import InvalidRequest, NoRoom, OlderNodesRun, ScheduleNotFound
from app.domain.scheduled import Schedule
from app.domain.tokens import Action, Caller
from app.infra import cooperation
from app.infra.room import Room
from app.infra.settings import Settings
from app.operations import schedules as operations
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.queries import schedules as queries
from app.web import answers, auth, body, describe, holding, names, quotas
from app.web.auth import CALLER, Tokens
from app.web.jobs import page
from app.web.jobs.submitted import SubmittedSchema
from app.web.quotas import Quotas
from app.web.schedules import schemas, shown

_ONE = (InvalidRequest, ScheduleNotFound, DatabaseError)
_CHANGES = (*_ONE, *body.ERRORS, OutcomeUnknown)


def blueprint(settings: Settings, db: Database, room: Room, access: Tokens, limits: Quotas) -> Blueprint:
    """Return the routes of schedules."""
    routes = Blueprint("schedules", __name__)
    _add_lists(routes, db)
    _add_reads(routes, db, room)
    _add_previews(routes, settings, db)
    _add_writes(routes, settings, db, room, access)
    _add_pauses(routes, settings, db, access)
    _add_run(routes, settings, db, room=room, access=access, limits=limits)
    return routes


def _answer(one: Schedule, *, status: int = 200) -> Response:
    return answers.json(shown.dump(one, sees_payload=auth.may_see(request, one.queue)), status=status)


def _add_lists(routes: Blueprint, db: Database) -> None:
    of_queues = page.OfQueuesQuerySchema()

    @routes.get("/queues/<segment:queue>/schedulers")
    @describe.route(
        action=Action.READ,
        query=page.PartQuerySchema,
        gives=shown.SchedulersSchema(),
        raises=(InvalidRequest, NoRoom, DatabaseError),
        example={"answer": {"schedulers": [shown.ANSWER], "count": 1, "start": 0, "length": 10}},
    )
    def list_schedules(queue: str) -> Response:
        """List the schedules of a queue, by id."""
        queue = names.queue_name(queue)
        start, length = page.load_part(request)
        sees_payload = auth.may_see(request, queue)
        count, found = queries.page(db, queue=queue, start=start, length=length)
        members = {"schedulers": [shown.dump(one, sees_payload=sees_payload) for one in found], "count": count}
        return answers.json(members | {"start": start, "length": length})

    @routes.get("/schedulers")
    @describe.route(
        action=Action.READ,
        query=page.OfQueuesQuerySchema,
        gives=shown.SchedulersSchema(),
        raises=(InvalidRequest, NoRoom, DatabaseError),
        example={"answer": {"schedulers": [shown.ANSWER], "count": 1, "start": 0, "length": 10}},
    )
    def list_all_schedules() -> Response:
        """List the schedules of all queues that the token may read, by queue and id."""
        asked = page.loaded_query(of_queues, request.query_string)
        caller: Caller = request.environ[CALLER]
        count, found = queries.page_of_all(db, allowed=caller.patterns(Action.READ), **asked)
        members = [shown.dump(one, sees_payload=caller.may(Action.PAYLOAD, one.queue)) for one in found]
        part = {"start": asked["start"], "length": asked["length"]}
        return answers.json({"schedulers": members, "count": count} | part)


def _add_reads(routes: Blueprint, db: Database, room: Room) -> None:
    @routes.get("/queues/<segment:queue>/schedulers/<segment:schedule_id>")
    @describe.route(
        action=Action.READ,
        gives=shown.SchedulerSchema(),
        raises=(*_ONE, NoRoom),
        example={"answer": shown.ANSWER},
    )
    def get_schedule(queue: str, schedule_id: str) -> Response:
        """Get a schedule: when it ticks next, and how often it has."""
        queue, schedule_id = names.queue_name(queue), names.schedule_id(schedule_id)
        reserve = (lambda: holding.of(request, room)) if auth.may_see(request, queue) else None
        return _answer(queries.find(db, queue=queue, schedule_id=schedule_id, reserve=reserve))

    @routes.get("/queues/<segment:queue>/schedulers/<segment:schedule_id>/runs")
    @describe.route(
        action=Action.READ,
        query=page.PartQuerySchema,
        gives=shown.RunsSchema(),
        raises=(*_ONE, NoRoom),
    )
    def list_runs(queue: str, schedule_id: str) -> Response:
        """List the jobs of a schedule that are there, the newest tick first, and how they ended."""
        queue, schedule_id = names.queue_name(queue), names.schedule_id(schedule_id)
        start, length = page.load_part(request)
        found = queries.runs(db, queue=queue, schedule_id=schedule_id, start=start, length=length)
        sees_payload = auth.may_see(request, queue)
        runs = [shown.dump_run(schedule_id, one, sees_payload=sees_payload) for one in found]
        return answers.json({"runs": runs, "start": start, "length": length})


def _add_previews(routes: Blueprint, settings: Settings, db: Database) -> None:
    @routes.get("/queues/<segment:queue>/schedulers/<segment:schedule_id>/preview")
    @describe.route(action=Action.READ, query=schemas.CountQuerySchema, gives=shown.TicksSchema(), raises=_ONE)
    def preview_schedule(queue: str, schedule_id: str) -> Response:
        """Show the next ticks of a schedule, and what changes of the clocks do to them. A pause is overlooked."""
        queue, schedule_id = names.queue_name(queue), names.schedule_id(schedule_id)
        count, since_ms = schemas.load_count(request.query_string)
        one = queries.find(db, queue=queue, schedule_id=schedule_id)
        now_ms = queries.now_ms(db)
        with schemas.named_fault(), cooperation.alone():
            ticks = scheduled.preview(one, now_ms=now_ms, count=count, give_way=cooperation.give_way, since_ms=since_ms)
        return answers.json(shown.dump_ticks(ticks))

    @routes.post("/queues/<segment:queue>/schedulers/preview")
    @describe.route(
        action=Action.READ,
        body=schemas.PreviewSchema,
        gives=shown.TicksSchema(),
        raises=(InvalidRequest, *body.ERRORS, DatabaseError),
        example={"body": schemas.PREVIEW_EXAMPLE},
    )
    def preview_timing(queue: str) -> Response:
        """Show the ticks that a schedule would have, and what changes of the clocks do to them. Nothing is stored."""
        names.queue_name(queue)
        timing, count = schemas.load_preview(body.read_short(request, settings))
        now_ms = queries.now_ms(db)
        with cooperation.alone():
            ticks = times.runs(timing, since=now_ms, count=count, give_way=cooperation.give_way)
        return answers.json(shown.dump_ticks(ticks))


def _add_writes(routes: Blueprint, settings: Settings, db: Database, room: Room, access: Tokens) -> None:
    random = Random()  # noqa: S311 - spreads jobs, guards nothing

    @routes.put("/queues/<segment:queue>/schedulers/<segment:schedule_id>")
    @describe.route(
        action=Action.MANAGE,
        body=schemas.NewScheduleSchema,
        gives=shown.SchedulerSchema(),
        creates=True,
        raises=(InvalidRequest, *body.ERRORS, NoRoom, OlderNodesRun, DatabaseError, OutcomeUnknown),
        example={"body": schemas.EXAMPLE, "answer": shown.ANSWER},
    )
    def put_schedule(queue: str, schedule_id: str) -> Response:
        """Make a schedule, or change it, without losing or doubling a tick. Needs `jobs:add`, too."""
        queue, schedule_id = names.queue_name(queue), names.schedule_id(schedule_id)
        raw = body.read(request, limit=settings.max_body_bytes, client_s=settings.client_s)
        asked = schemas.load(raw, schedule_id=schedule_id, max_data_bytes=settings.max_data_bytes)
        access.require(request, Action.ADD, queue)
        queries.take_room(db, queue=queue, schedule_id=schedule_id, held=holding.of(request, room), besides=len(raw))
        body.require_still(request)
        actor = access.actor(request)
        with schemas.named_fault():
            made = operations.put(db, actor=actor, queue=queue, schedule_id=schedule_id, asked=asked, random=random)
        return _answer(made.schedule, status=201 if made.is_new else 200)

    @routes.delete("/queues/<segment:queue>/schedulers/<segment:schedule_id>")
    @describe.route(
        action=Action.MANAGE, gives=shown.SchedulerSchema(), raises=_CHANGES, example={"answer": shown.ANSWER}
    )
    def remove_schedule(queue: str, schedule_id: str) -> Response:
        """Remove a schedule; return it as it was. The jobs of its ticks stay."""
        queue, schedule_id = names.queue_name(queue), names.schedule_id(schedule_id)
        body.read_short(request, settings)  # read, but ignored
        return _answer(operations.remove(db, actor=access.actor(request), queue=queue, schedule_id=schedule_id))


def _add_pauses(routes: Blueprint, settings: Settings, db: Database, access: Tokens) -> None:
    @routes.post("/queues/<segment:queue>/schedulers/<segment:schedule_id>/pause")
    @describe.route(
        action=Action.MANAGE, gives=shown.SchedulerSchema(), raises=_CHANGES, example={"answer": shown.ANSWER}
    )
    def pause_schedule(queue: str, schedule_id: str) -> Response:
        """Pause a schedule: after the response it makes no ticks. One that is paused stays so."""
        queue, schedule_id = names.queue_name(queue), names.schedule_id(schedule_id)
        body.read_short(request, settings)  # read, but ignored
        return _answer(operations.pause(db, actor=access.actor(request), queue=queue, schedule_id=schedule_id))

    @routes.post("/queues/<segment:queue>/schedulers/<segment:schedule_id>/resume")
    @describe.route(
        action=Action.MANAGE, gives=shown.SchedulerSchema(), raises=_CHANGES, example={"answer": shown.ANSWER}
    )
    def resume_schedule(queue: str, schedule_id: str) -> Response:
        """Resume a schedule: it goes on with the next tick from now on. One that is not paused stays as it is."""
        queue, schedule_id = names.queue_name(queue), names.schedule_id(schedule_id)
        body.read_short(request, settings)  # read, but ignored
        with schemas.named_fault():
            resumed = operations.resume(db, actor=access.actor(request), queue=queue, schedule_id=schedule_id)
        return _answer(resumed)


def _add_run(
    routes: Blueprint, settings: Settings, db: Database, *, room: Room, access: Tokens, limits: Quotas
) -> None:
    submitted_json = SubmittedSchema(queue_prefix=settings.queue_prefix)

    @routes.post("/queues/<segment:queue>/schedulers/<segment:schedule_id>/run")
    @describe.route(action=Action.MANAGE, gives=submitted_json, raises=(*_CHANGES, NoRoom))
    def run_schedule(queue: str, schedule_id: str) -> Response:
        """Add a job of a schedule now, besides its ticks, also if it is paused or has ended; return the job."""
        queue, schedule_id = names.queue_name(queue), names.schedule_id(schedule_id)
        body.read_short(request, settings)  # read, but ignored
        quotas.Admission(limits, request.environ[CALLER], queue=queue, number=1).require_alone(db)
        queries.take_room(db, queue=queue, schedule_id=schedule_id, held=holding.of(request, room))
        added = operations.run(db, actor=access.actor(request), queue=queue, schedule_id=schedule_id)
        members = submitted_json.members if auth.may_see(request, queue) else submitted_json.without_payload
        return answers.json(members(added.job) | {"outcome": added.outcome})
