"""`python -m boomtown`."""

from boomtown.cli import main

if __name__ == "__main__":
    main()
