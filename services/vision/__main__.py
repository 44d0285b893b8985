"""Start the vision-language model: `python -m services.vision`."""

from services.common.runtime import run
from services.vision.app import compose
from services.vision.settings import VisionSettings

if __name__ == "__main__":
    run("vision", VisionSettings, compose)
