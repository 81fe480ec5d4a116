"""Prometheus and Grafana: what is shipped for them, and a real Prometheus that scrapes."""
