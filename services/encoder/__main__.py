"""Start: `python -m services.encoder`."""

from services.common.runtime import run
from services.encoder.app import compose
from services.encoder.settings import EncoderSettings

if __name__ == "__main__":
    run("encoder", EncoderSettings, compose)
