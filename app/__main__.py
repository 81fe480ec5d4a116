"""`python -m app` is the command `rowline`."""

from app.cli import main

if __name__ == "__main__":
    main.main()
