"""Registering and removing endpoints over HTTP."""
