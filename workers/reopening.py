"""After a restore: `python -m workers.reopening --since 2026-01-31T02:00:00Z`, the time in the snapshot's name.

What was accepted after a snapshot was made stands in the ledger, in jobs that are closed. This reopens them; the
beat process then queues again what is missing. See docs/backup.md.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta

from services.common.jobs.reopening import reopen
from services.common.objects import open_objects
from services.common.settings import SettingsError, load_settings
from workers.settings import WorkersSettings

CLOCK_MARGIN = timedelta(minutes=5)
"""By which the clocks of the machines may differ."""


def main() -> int:
    """Reopen jobs; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workers.reopening", description=__doc__)
    parser.add_argument("--since", required=True, type=_moment, help="when the snapshot was begun: ISO 8601")
    since = parser.parse_args().since
    try:
        settings = load_settings(WorkersSettings)
    except SettingsError as error:
        print(f"workers: wrong settings\n{error}", file=sys.stderr)
        return 2
    jobs = reopen(open_objects(settings.data_url), since - CLOCK_MARGIN)
    print(f"{len(jobs)} jobs are open again; the beat process verifies them.")
    return 0


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
