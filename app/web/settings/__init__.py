"""The routes of the settings of the service."""
