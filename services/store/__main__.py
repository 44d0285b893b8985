"""Start the store: `python -m services.store`."""

from services.common.runtime import run
from services.store.app import compose
from services.store.settings import StoreSettings

if __name__ == "__main__":
    run("store", StoreSettings, compose)
