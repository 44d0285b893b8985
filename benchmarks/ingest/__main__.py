"""Run the ingest benchmarks: `python -m benchmarks.ingest`."""

from benchmarks.ingest.runner import main

if __name__ == "__main__":
    main()
