"""Run it: `python -m benchmarks.encoder`."""

from benchmarks.encoder.runner import main

if __name__ == "__main__":
    main()
