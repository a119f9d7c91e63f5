"""`python -m mosaic` is the `mission` command."""

from mosaic.cli import main

if __name__ == "__main__":
    main()
