"""The HTTP API: Flask blueprints, marshmallow schemas and the gunicorn worker."""
