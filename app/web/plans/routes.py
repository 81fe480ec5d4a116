"""Plans: many jobs of a queue at once, looked at first, and then removed, retried, promoted, cancelled or changed."""

from collections.abc import Callable

from flask import Blueprint, Response, request

from app.domain.errors import InvalidRequest, NoRoom, PlanDiffers, PlanNotFound, TooManyPlans, WrongPlanStatus
from app.domain.plan import Plan, PlanAction
from app.domain.tokens import Action, Caller
from app.infra.settings import Settings
from app.operations import plans as operations
from app.postgres.database import Database, DatabaseError, OutcomeUnknown
from app.queries import jobplans
from app.web import answers, auth, body, describe, names
from app.web.auth import CALLER, Tokens
from app.web.jobs import page
from app.web.plans import schemas
from app.wire.job import JobSchema

_ONE = (InvalidRequest, PlanNotFound, NoRoom, DatabaseError)
_CHANGES = (*_ONE, *body.ERRORS, OutcomeUnknown)


def blueprint(settings: Settings, db: Database, access: Tokens) -> Blueprint:
    """Return the routes below /queues/<queue>/plans, and /plans."""
    routes = Blueprint("plans", __name__)
    job_json = JobSchema(queue_prefix=settings.queue_prefix)

    def answer(plan: Plan) -> Response:
        sees_payload = auth.may_see(request, plan.queue)
        shown = job_json.members_for(sees_payload=sees_payload)
        sample = jobplans.sample(db, plan)
        return answers.json(schemas.dump(plan, sees_payload=sees_payload, sample=sample, shown=shown))

    _add_all(routes, settings, db, access, answer)
    _add_all_queues(routes, db)
    _add_one(routes, settings, db, access, answer)
    return routes


def _add_all(
    routes: Blueprint, settings: Settings, db: Database, access: Tokens, answer: Callable[[Plan], Response]
) -> None:
    @routes.post("/queues/<segment:queue>/plans")
    @describe.route(
        action=Action.MANAGE,
        body=schemas.NewPlanSchema,
        gives=schemas.PlanSchema(),
        raises=(InvalidRequest, *body.ERRORS, TooManyPlans, NoRoom, DatabaseError, OutcomeUnknown),
        example={"body": schemas.EXAMPLE},
    )
    def create_plan(queue: str) -> Response:
        """Plan what to do with all jobs that match a filter. No job is changed before the plan is applied."""
        queue = names.queue_name(queue)
        new = schemas.load(body.read_short(request, settings))
        if new.wanted.needs_payload:
            access.require(request, Action.PAYLOAD, queue)
        return answer(operations.create(db, actor=access.actor(request), queue=queue, **new._asdict()))

    @routes.get("/queues/<segment:queue>/plans")
    @describe.route(
        action=Action.READ,
        query=page.PartQuerySchema,
        gives=schemas.PlansSchema(),
        raises=(InvalidRequest, DatabaseError),
    )
    def list_plans(queue: str) -> Response:
        """List the plans of a queue, the newest first: those that are not finished, and those of the last day."""
        queue = names.queue_name(queue)
        start, length = page.load_part(request)
        sees_payload = auth.may_see(request, queue)
        found = jobplans.page(db, queue=queue, start=start, length=length)
        members = {"plans": [schemas.dump(plan, sees_payload=sees_payload) for plan in found]}
        return answers.json(members | {"start": start, "length": length})


def _add_all_queues(routes: Blueprint, db: Database) -> None:
    @routes.get("/plans")
    @describe.route(
        action=Action.READ,
        query=page.PartQuerySchema,
        gives=schemas.PlansSchema(),
        raises=(InvalidRequest, DatabaseError),
    )
    def list_all_plans() -> Response:
        """List the plans of all queues that the token may read: first those that go on, then the newest."""
        start, length = page.load_part(request)
        caller: Caller = request.environ[CALLER]
        found = jobplans.page_of_all(db, allowed=caller.patterns(Action.READ), start=start, length=length)
        members = [schemas.dump(plan, sees_payload=caller.may(Action.PAYLOAD, plan.queue)) for plan in found]
        return answers.json({"plans": members, "start": start, "length": length})


def _add_one(
    routes: Blueprint, settings: Settings, db: Database, access: Tokens, answer: Callable[[Plan], Response]
) -> None:
    @routes.get("/queues/<segment:queue>/plans/<segment:plan_id>")
    @describe.route(action=Action.READ, gives=schemas.PlanSchema(), raises=_ONE)
    def get_plan(queue: str, plan_id: str) -> Response:
        """Get a plan: how far it is, how many jobs it means, and, when it is planned, the first ten of them."""
        return answer(jobplans.find(db, queue=names.queue_name(queue), plan_id=names.plan_id(plan_id)))

    @routes.post("/queues/<segment:queue>/plans/<segment:plan_id>/apply")
    @describe.route(
        action=Action.MANAGE,
        body=schemas.ApplySchema,
        gives=schemas.PlanSchema(),
        raises=(*_CHANGES, WrongPlanStatus, PlanDiffers),
        example={"body": schemas.APPLY_EXAMPLE},
    )
    def apply_plan(queue: str, plan_id: str) -> Response:
        """Apply a plan, in the background, at a pace if it is given one."""
        queue, plan_id = names.queue_name(queue), names.plan_id(plan_id)
        asked = schemas.load_apply(body.read_short(request, settings))
        return answer(
            operations.apply(db, actor=access.actor(request), queue=queue, plan_id=plan_id, **asked._asdict())
        )

    @routes.post("/queues/<segment:queue>/plans/<segment:plan_id>/stop")
    @describe.route(action=Action.MANAGE, gives=schemas.PlanSchema(), raises=(*_CHANGES, WrongPlanStatus))
    def stop_plan(queue: str, plan_id: str) -> Response:
        """Stop a plan that has not ended: after the response it changes no job any more."""
        queue, plan_id = names.queue_name(queue), names.plan_id(plan_id)
        body.read_short(request, settings)  # read, but ignored
        if jobplans.find(db, queue=queue, plan_id=plan_id).action is PlanAction.OBLITERATE:
            access.require(request, Action.QUEUES, queue)
        return answer(operations.stop(db, actor=access.actor(request), queue=queue, plan_id=plan_id))

    @routes.post("/queues/<segment:queue>/plans/<segment:plan_id>/undo")
    @describe.route(action=Action.MANAGE, gives=schemas.PlanSchema(), raises=(*_CHANGES, WrongPlanStatus))
    def undo_plan(queue: str, plan_id: str) -> Response:
        """Undo a removal or a retry, in the background: put jobs back as they were, but retried ones that began."""
        queue, plan_id = names.queue_name(queue), names.plan_id(plan_id)
        body.read_short(request, settings)  # read, but ignored
        return answer(operations.undo(db, actor=access.actor(request), queue=queue, plan_id=plan_id))
