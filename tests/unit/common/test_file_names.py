"""Names of programs, and names that people gave; and what an item's vectors are made of because of that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.common.domain import Caption, Item, ItemKind
from services.common.file_names import says_nothing


@pytest.mark.parametrize(
    "name",
    [
        "", "IMG_0234.jpg", "DSC00123", "scan 12", "page-3", "微信图片_20240101123000.jpg", "3f2a9c8e77d0", "a1",
        "550e8400-e29b-41d4-a716-446655440000", "Screenshot 2024-01-02 at 10.11.12 PM.png", "屏幕截图 2024-03-01",
        "PXL_20230102_101112", "IMG_1234 (2)", "WhatsApp Image 2023-01-01 at 12.00.00", "无标题 2",
    ],
)  # fmt: skip
def test_names_of_programs_say_nothing(name: str) -> None:
    assert says_nothing(name)


@pytest.mark.parametrize(
    "name", ["cat", "猫", "Annual report", "red dress 42", "IMG beach", "bee", "facade", "decade 1920", "扫描仪"]
)
def test_names_of_people_do(name: str) -> None:
    assert not says_nothing(name)


ITEM = Item("id", "t", ItemKind.IMAGE, 1, datetime(2026, 1, 1, tzinfo=UTC), ocr_text="MIND THE GAP")


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (ITEM, "MIND THE GAP"),
        (replace(ITEM, title="IMG_0234"), "IMG_0234\nMIND THE GAP"),
        (replace(ITEM, title="Platform"), "Platform"),
        (replace(ITEM, title="IMG_0234", tags=("station",)), "IMG_0234\nstation"),
        (replace(ITEM, text="A platform."), "A platform."),
        (replace(ITEM, caption=Caption("A train.", "A long train at a platform.")), "A train."),
        (replace(ITEM, kind=ItemKind.PAGE, title="Annual report"), "Annual report\nMIND THE GAP"),
        (replace(ITEM, kind=ItemKind.PAGE, title="Annual report", text="Page one."), "Annual report\nPage one."),
    ],
)
def test_what_was_read_is_meant_where_the_item_says_nothing_else(item: Item, text: str) -> None:
    assert item.embedded_text() == text
    assert "MIND THE GAP" in item.searchable_text()
