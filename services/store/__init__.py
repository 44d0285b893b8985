"""Qdrant's REST API over the embedded Qdrant Edge engine: thin, and for one machine.

The stock `qdrant-client` works against it unmodified, from any number of processes. One process owns the data
folder (a lock holds it) and runs every engine call on one thread, because the engine keeps Python's global lock
during a call: a long call delays everything else, health included. Where more than that is needed, run a real
Qdrant server and point `QDRANT_URL` at it; nothing else changes.

What differs from the real server (checked against qdrant-client 1.20 and the server's source):

* One shard, no replicas, no consensus, no distance matrix, no server-side inference, no adding of vector names, no
  strict mode: 501. `shard_number`, the replication factors, `wal_config` and `prevent_unoptimized` are taken and
  have no effect: a collection asked for with six shards is told as one with a single shard, and the log says so.
* Snapshots have a format of their own (see `snapshots`), of a collection or of its shard 0, which is the same.
  Making one always waits, with `wait=false` too. They go with their collection when it is deleted. They are
  restored by upload alone: fetching one from an address is off (403); snapshots of all collections are not there.
* Every vector is checked before the engine sees it, and a whole request before any of it is applied. NaN, infinite
  or overflowing numbers and duplicate sparse indices are refused with 400.
* A write is applied before it is answered, with `wait=false` too; that one answers `acknowledged`, and its errors
  are reported rather than lost.
* `wait=true` means written to the engine's log: it survives SIGKILL. Power loss was not tried.
* Payloads deeper than 64 levels and filters deeper than 16 are refused: the engine writes them to its log, but
  cannot read them back (seen from 127 and 40 levels on).
* Unknown fields in a body are refused with 400; the real server ignores most of them.
* PATCH of a collection changes its metadata; any other change of configuration answers 501. So do text indexes
  with stop words, stemming or scoring, text queries, `with_lookup`, TurboQuant, and datatypes beyond uint8,
  float16 and float32.
* Groups are formed here, from at most 20,000 hits.
* Errors carry one status each: 400 for what does not parse or does not fit, 422 for numbers out of range, 404,
  409, 413, 501, and 503 with `Retry-After` when too many calls wait.
* The HNSW index is built by a child process on a copy (see `indexing`); until then search is exact.

Of the engine (0.9.0) one should know besides: of `gt` and `gte` in one range it looks at one if the field is
indexed; a `min_should` that asks for more conditions than it has may still match; a formula over a field that
holds a list is answered with "Operation cancelled".
"""
