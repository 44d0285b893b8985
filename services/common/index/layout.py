"""How a collection is spread over the nodes of a Qdrant cluster, and what that means for writes and reads.

Source: Qdrant's documentation, "Distributed deployment" and "Consistency guarantees", and the server's source.

* **Writes are confirmed by `write_consistency` replicas, one by default.** A replica that fails a write is
  marked dead before the write is confirmed, answers no more reads, and is synchronised when it is back. Asking
  for all replicas would stop every ingestion while one node restarts, and gain nothing: the item is in the
  ledger anyhow.
* **Writes go through each shard's leader** (`medium`). With weak ordering two replicas may see two writes in
  different orders. Different revisions end alike in any order, for a write applies only over an older revision
  and so the newest stands everywhere; but two lines of *one* job that mean the same item have one revision, and
  the first of them stays: which one must be the same on all replicas. `strong` would bind a shard to one node
  for good and refuse writes while that node is away; with `medium` another replica leads then. While the lead
  changes, order may be lost for a moment, and the revisions carry it.
* **Reads ask one active replica** (the default). An active one has every confirmed write, for `wait=true` waits
  for all replicas that are alive. A quorum would drop what two replicas tell differently instead of showing one
  of them: the reconciler would take a stored item for lost, and queue it again without end.
"""

from __future__ import annotations

from dataclasses import dataclass

from qdrant_client import models

WRITE_ORDERING = models.WriteOrdering.MEDIUM


@dataclass(frozen=True)
class Layout:
    """Shards and replicas of a collection; they take effect when it is made.

    Attributes:
        shards: Parts that the points are divided into; a multiple of the nodes uses all of them alike. None: one
            for each node.
        replicas: Copies of each shard, on different nodes.
        write_consistency: Copies that must have a write before it is confirmed.
    """

    shards: int | None = None
    replicas: int | None = None
    write_consistency: int | None = None


ONE_NODE = Layout()
"""What the server takes by itself."""
