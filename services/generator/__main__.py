"""`python -m services.generator`."""

from services.common.runtime import run
from services.generator.app import compose
from services.generator.settings import GeneratorSettings

if __name__ == "__main__":
    run("generator", GeneratorSettings, compose)
