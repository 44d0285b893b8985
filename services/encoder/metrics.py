"""What the encoder counts and times."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

QUEUE_WAIT_SECONDS = Histogram(
    "imagerag_encoder_queue_wait_seconds",
    "Time an input waited, for its preparation and for the model, in seconds.",
    ["lane"],
    buckets=_SECONDS,
)
BATCH_ITEMS = Histogram(
    "imagerag_encoder_batch_items", "Inputs computed at once.", ["kind"], buckets=(1, 2, 4, 8, 16, 32, 64, 128)
)
PRE_SECONDS = Histogram(
    "imagerag_encoder_pre_seconds",
    "Time to decode and scale one picture, or to tokenise one text, in seconds.",
    ["kind", "lane"],
    buckets=_SECONDS,
)
CORE_SECONDS = Histogram(
    "imagerag_encoder_core_seconds", "Time in the model, by batch, in seconds.", ["kind", "lane"], buckets=_SECONDS
)
POST_SECONDS = Histogram(
    "imagerag_encoder_post_seconds",
    "Time to hand out the results of one batch, in seconds.",
    ["kind", "lane"],
    buckets=_SECONDS,
)
DEVICE_MEMORY_BYTES = Gauge(
    "imagerag_encoder_device_memory_bytes",
    "Memory of the CUDA device that tensors take (allocated) and that torch holds for them (reserved).",
    ["state"],
)
INSIDE_ITEMS = Gauge("imagerag_encoder_inside_items", "Inputs inside the service, waiting or running.", ["lane"])
REFUSED_ITEMS = Counter("imagerag_encoder_refused_items_total", "Inputs refused for want of room.", ["lane"])
GIVEN_UP_ITEMS = Counter(
    "imagerag_encoder_given_up_items_total", "Inputs whose caller went away before they were computed.", ["lane"]
)
FAILED_ITEMS = Counter("imagerag_encoder_failed_items_total", "Inputs that failed alone.", ["code"])
SPLIT_BATCHES = Counter("imagerag_encoder_split_batches_total", "Batches split after an error.")
