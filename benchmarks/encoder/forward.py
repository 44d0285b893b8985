"""The model alone in two precisions: how much quicker, and how much the vectors move."""

from __future__ import annotations

import numpy as np

from benchmarks.bare import BareModel
from benchmarks.encoder.bench import Bench
from benchmarks.measuring import Goal, NotRun, Ratio
from benchmarks.report import Row
from services.encoder.backends.backend import unit

_NAME = "bare forward, bfloat16 / float32"


def ways_in(bench: Bench) -> int:
    """Measurements in a round."""
    return len(bench.machine.precisions) if len(bench.machine.precisions) > 1 else 0


async def run(bench: Bench) -> list[Row]:
    """Measure on the CPU."""
    if len(bench.machine.precisions) == 1:
        return [NotRun(_NAME, "This processor has neither AMX nor AVX512-BF16.")]
    cpus = bench.machine.cpus
    models = {precision: BareModel(bench.model, "cpu", precision) for precision in ("bfloat16", "float32")}
    batches = {precision: model.best_batch(cpus) for precision, model in models.items()}
    trials = {precision: model.rate(batches[precision], 64, cpus) for precision, model in models.items()}

    def rate(precision: str) -> float:
        return models[precision].rate(batches[precision], bench.requests_for(trials[precision]), cpus)

    series = await bench.measure({"bfloat16": lambda: rate("bfloat16"), "float32": lambda: rate("float32")})
    lowest = _lowest_cosines(bench, models["bfloat16"], models["float32"])
    meaning = (
        f"Batches of {batches['bfloat16']} and {batches['float32']}, all cores, tensors ready. Lowest cosine "
        f"between the two: {lowest[0]:.5f} over {len(bench.payloads.pixels)} pictures, {lowest[1]:.5f} over "
        f"{len(bench.payloads.texts)} texts (0.999 and above is one precision class)."
    )
    goal = Goal(3.5, bench.machine.without_amx)
    return [Ratio(_NAME, meaning, "img/s", "higher", series["bfloat16"], series["float32"], goal)]


def _lowest_cosines(bench: Bench, one: BareModel, other: BareModel) -> tuple[float, float]:
    pixels = np.stack(bench.payloads.pixels)
    pictures = [model.encode(model.prepare(pixels)) for model in (one, other)]
    texts = [
        unit(model.forward_texts(model.prepare_texts(bench.payloads.texts)).float().cpu().numpy())
        for model in (one, other)
    ]
    first, second = (float((rows[0] * rows[1]).sum(1).min()) for rows in (pictures, texts))
    return first, second
