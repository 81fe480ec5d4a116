"""What gunicorn hosts: `gunicorn --config app/web/gunicorn.py wsgi:application`, or simply `rowline serve`."""

import os

from app.infra import settings
from app.web import app

application = app.create(settings.from_env(os.environ))
