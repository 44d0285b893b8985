"""Start with `python -m workers`."""

from workers.command import main

if __name__ == "__main__":
    main()
