"""Start the gateway: `python -m services.gateway`."""

from services.common.runtime import run
from services.gateway.app import compose
from services.gateway.settings import GatewaySettings

if __name__ == "__main__":
    run("gateway", GatewaySettings, compose)
