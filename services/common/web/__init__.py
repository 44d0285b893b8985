"""HTTP as the gateway and the store serve it: one uvicorn server under the uniform runtime."""
