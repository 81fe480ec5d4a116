"""`python -m app` is the command `rowline`."""

from app.infra import interrupt, loading


def main() -> None:
    """Run the command line. Ctrl-C while it is still being imported, which takes a while, ends it quietly."""
    loading.begin()
    with interrupt.quiet():
        from app.cli import main as command  # noqa: PLC0415 - what it imports is what takes a while
    command.main()


if __name__ == "__main__":
    main()
