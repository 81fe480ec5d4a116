"""How it is asked: Flask blueprints and marshmallow schemas. The only package that knows HTTP."""
