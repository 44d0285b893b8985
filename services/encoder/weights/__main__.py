"""Start: `python -m services.encoder.weights --to FOLDER`."""

from services.encoder.weights.command import main

if __name__ == "__main__":
    main()
