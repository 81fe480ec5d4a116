"""The routes: one blueprint per noun."""
