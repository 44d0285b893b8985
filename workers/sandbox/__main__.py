"""`python -m workers.sandbox OPENER DESCRIPTOR ARGUMENTS LIMITS`, started by `workers.sandbox.runner` alone."""

import sys

from workers.sandbox.child import main

sys.exit(main(*sys.argv[1:]))
