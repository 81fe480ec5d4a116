"""The dashboard: pages for people, made of what the API answers."""
