"""The doctor: what is wrong with the database and the nodes, and what to do about it."""

from flask import Blueprint, Response

from app.domain.tokens import Action
from app.infra.vault import Vault
from app.postgres.database import Database, DatabaseError
from app.queries.doctor import Doctor
from app.web import answers, describe
from app.web.doctor import schemas


def blueprint(db: Database, vault: Vault) -> Blueprint:
    """Return the route of the doctor."""
    routes = Blueprint("doctor", __name__)
    doctor = Doctor(db, vault)

    @routes.get("/doctor")
    @describe.route(action=Action.METRICS, gives=schemas.DoctorSchema(), raises=(DatabaseError,))
    def get_report() -> Response:
        """Get what is wrong with the database and the nodes, and what to do. May take some seconds."""
        return answers.json(schemas.dump(doctor.report()))

    return routes
