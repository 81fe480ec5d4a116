"""The shapes on the wire, in marshmallow."""
