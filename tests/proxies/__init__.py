"""The proxies of `app/docs/rolling.md` and the firewall of `firewall.md`, real ones."""
