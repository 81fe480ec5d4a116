"""How values travel: what web and push share."""
