"""The addresses of the REST interface. Routes translate; the use cases lie beside this package."""
