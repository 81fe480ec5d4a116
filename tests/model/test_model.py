"""Sequences of steps over HTTP that end as the model says; `make model` runs many, and long ones."""

import os

import hypothesis
from hypothesis.stateful import run_state_machine_as_test

from app.postgres.database import Database
from tests.model.machine import QueueMachine
from tests.support.client import Client

SEQUENCES, STEPS = 20, 30


def test_the_service_does_what_the_model_does(client: Client, db: Database, shared_url: str) -> None:
    machine = type("Machine", (QueueMachine,), {"client": client, "db": db, "url": shared_url})
    sequences = int(os.environ.get("MODEL_SEQUENCES", SEQUENCES))
    steps = int(os.environ.get("MODEL_STEPS", STEPS))
    settings = hypothesis.settings(max_examples=sequences, stateful_step_count=steps)
    run_state_machine_as_test(machine, settings=settings)
