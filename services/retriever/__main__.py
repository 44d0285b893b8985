"""Start: `python -m services.retriever`."""

from services.common.runtime import run
from services.retriever.app import compose
from services.retriever.settings import RetrieverSettings

if __name__ == "__main__":
    run("retriever", RetrieverSettings, compose)
