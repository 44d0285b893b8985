"""After a restore: `python -m workers.reopening --since 2026-01-31T02:00:00Z`, the time in the snapshot's name.

What was deleted after a snapshot was made is written down beside the ledger: this deletes it once more. What was
accepted after it stands in the ledger, in jobs that are closed: this reopens them, and the beat process then
queues again what is missing. See docs/backup.md.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta

from services.common.errors import ImageragError
from services.common.jobs.deletes import DeleteLog
from services.common.jobs.reopening import reopen
from services.common.objects import open_objects
from services.common.settings import SettingsError, load_settings
from workers.reconcile.deleting import delete_again
from workers.settings import WorkersSettings
from workers.store import open_index

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
    objects = open_objects(settings.data_url)
    try:
        # First: what the reconciler brings back must find the mark of its delete.
        deletes = asyncio.run(_delete_again(settings, DeleteLog(objects), since - CLOCK_MARGIN))
    except ImageragError as error:
        print(f"workers: the store: {error.message} Nothing was reopened.", file=sys.stderr)
        return 1
    jobs = reopen(objects, since - CLOCK_MARGIN)
    print(f"{deletes} deletes were carried out once more.")
    print(f"{len(jobs)} jobs are open again; the beat process verifies them.")
    return 0


async def _delete_again(settings: WorkersSettings, log: DeleteLog, since: datetime) -> int:
    async with open_index(settings) as index:
        return await delete_again(index, log, since)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
