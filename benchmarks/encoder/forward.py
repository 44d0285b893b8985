"""The model alone in two precisions: how much quicker, and how much the vectors move."""

from __future__ import annotations

import numpy as np

from benchmarks.bare import BareModel
from benchmarks.encoder.bench import Bench
from benchmarks.encoder.own import OwnForward
from benchmarks.measuring import Goal, NotRun, Ratio
from benchmarks.report import Row
from services.common.clients.encoder import TextRole
from services.encoder.backends.backend import embed_texts

_NAME = "bare forward, bfloat16 / float32"
_QUICK, _EXACT = "bfloat16", "float32"
_TRIAL_IMAGES = 64
_BATCH = 16


def ways_in(bench: Bench) -> int:
    """Measurements in a round."""
    return 4 if len(bench.machine.precisions) > 1 else 0


async def run(bench: Bench) -> list[Row]:
    """Measure on the CPU."""
    if len(bench.machine.precisions) == 1:
        return [NotRun(_NAME, "This processor has neither AMX nor AVX512-BF16.")]
    return [await _bare_row(bench), await _own_row(bench)]


async def _bare_row(bench: Bench) -> Ratio:
    cpus = bench.machine.cpus
    models = {precision: BareModel(bench.model, "cpu", precision) for precision in (_QUICK, _EXACT)}
    batches = {precision: model.best_batch(cpus) for precision, model in models.items()}
    counts = {
        precision: bench.requests_for(model.rate(batches[precision], _TRIAL_IMAGES, cpus))
        for precision, model in models.items()
    }

    def rate(precision: str) -> float:
        return models[precision].rate(batches[precision], counts[precision], cpus)

    series = await bench.measure({_QUICK: lambda: rate(_QUICK), _EXACT: lambda: rate(_EXACT)})
    meaning = f"transformers' model, batches of {batches[_QUICK]} and {batches[_EXACT]}, all cores, tensors ready."
    goal = Goal(3.5, bench.machine.without_amx)
    return Ratio(_NAME, meaning, "img/s", "higher", series[_QUICK], series[_EXACT], goal)


async def _own_row(bench: Bench) -> Ratio:
    models = {
        precision: OwnForward(bench.model, precision, bench.machine.cpus, bench.payloads.pixels)
        for precision in (_QUICK, _EXACT)
    }
    best = {precision: model.best() for precision, model in models.items()}
    counts = {
        precision: bench.requests_for(model.rate(best[precision], _TRIAL_IMAGES))
        for precision, model in models.items()
    }

    def rate(precision: str) -> float:
        return models[precision].rate(best[precision], counts[precision])

    series = await bench.measure({_QUICK: lambda: rate(_QUICK), _EXACT: lambda: rate(_EXACT)})
    pictures, texts = _lowest_cosines(bench, models[_QUICK], models[_EXACT])
    meaning = (
        f"The service's backend, {best[_QUICK]} and {best[_EXACT]}. Lowest cosine between the two precisions: "
        f"{pictures:.5f} over {len(bench.payloads.pixels)} pictures, {texts:.5f} over {len(bench.payloads.texts)} "
        "texts (0.999 and above is one precision class)."
    )
    goal = Goal(3.5, bench.machine.without_amx)
    return Ratio(
        "own backend, bfloat16 / float32", meaning, "img/s", "higher", series[_QUICK], series[_EXACT], goal
    )


def _lowest_cosines(bench: Bench, one: OwnForward, other: OwnForward) -> tuple[float, float]:
    cpus, pixels = bench.machine.cpus, bench.payloads.pixels
    parts = [pixels[at : at + _BATCH] for at in range(0, len(pixels), _BATCH)]
    pictures = [np.concatenate([model.encode(part, cpus) for part in parts]) for model in (one, other)]
    texts = [embed_texts(model.backend, bench.payloads.texts, TextRole.QUERY, cpus) for model in (one, other)]
    first, second = (float((rows[0] * rows[1]).sum(1).min()) for rows in (pictures, texts))
    return first, second
