from __future__ import annotations

import numpy as np
from prometheus_client import REGISTRY

from services.common.embeddings.memory import RecentVectors
from services.retriever.metrics import show_memory


def test_what_is_held_in_memory_is_read_when_it_is_asked() -> None:
    memory = RecentVectors(1 << 20)
    show_memory(memory)
    for number in range(2):
        assert REGISTRY.get_sample_value("imagerag_embedding_cache_memory_bytes") == memory.size_bytes
        memory.put(f"key-{number}", np.zeros(512, np.float32))
    assert memory.size_bytes > 2 * 512 * 4
