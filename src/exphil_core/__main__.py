"""`python -m exphil_core` is `exphil`."""

from exphil_core.cli.main import main

if __name__ == "__main__":
    main()
