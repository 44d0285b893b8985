"""Run the measurement: `python -m benchmarks.duplicates --pictures FOLDER`."""

from benchmarks.duplicates.runner import main

if __name__ == "__main__":
    main()
