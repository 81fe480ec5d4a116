"""`python -m app` is the command `rowline`."""

from app import cli

if __name__ == "__main__":
    cli.main()
