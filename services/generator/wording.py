"""What the extractive answer says around its quotes, in each language it speaks."""

from __future__ import annotations

from dataclasses import dataclass

from services.common.domain import Item, ItemKind
from services.generator.language import Language
from services.generator.quoting import as_data, shorten

_NAME_LIMIT_CHARS = 80
_READ_LIMIT_CHARS = 400
_MINUTE_S = 60


@dataclass(frozen=True)
class Wording:
    """Sentences with places for `{name}`, `{quote}` and `{cite}`.

    Attributes:
        said: A passage with a name.
        said_unnamed: A passage without one.
        described: A picture with a text.
        read: A picture with words in it.
        pictured: A picture without any text, found by what it shows.
        pictured_like: The same, asked with a picture.
        unnamed_picture: Stands for the name of a picture that has none.
        unnamed_text: Stands for the name of a text that has none.
        named_picture: A picture by its name.
        named_text: A text by its name.
        page: One page of a document.
        moment: One moment of a recording.
        nothing: No source is relevant.
        unanswered: The writer holds that the sources do not answer the question.
        between: Stands between two sentences.
    """

    said: str
    said_unnamed: str
    described: str
    read: str
    pictured: str
    pictured_like: str
    unnamed_picture: str
    unnamed_text: str
    named_picture: str
    named_text: str
    page: str
    moment: str
    nothing: str
    unanswered: str
    between: str


_ENGLISH = Wording(
    said="{name} says: “{quote}” {cite}.",
    said_unnamed="“{quote}” {cite}.",
    described="{name} is described as: “{quote}” {cite}.",
    read="{name} reads: “{quote}” {cite}.",
    pictured="{name} matches the question {cite}.",
    pictured_like="{name} looks like the picture you asked with {cite}.",
    unnamed_picture="A picture without a name",
    unnamed_text="A text without a name",
    named_picture="The picture '{name}'",
    named_text="'{name}'",
    page="Page {page} of '{name}'",
    moment="'{name}' at {time}",
    nothing="Nothing relevant was found for this question.",
    unanswered="What was found does not answer this question.",
    between=" ",
)
_CHINESE = Wording(
    said="{name}中写道：“{quote}” {cite}。",
    said_unnamed="“{quote}” {cite}。",
    described="{name}的说明是：“{quote}” {cite}。",
    read="{name}中的文字是：“{quote}” {cite}。",
    pictured="{name}与问题相符 {cite}。",
    pictured_like="{name}与您提供的图片相似 {cite}。",
    unnamed_picture="一张未命名的图片",
    unnamed_text="一段未命名的文字",
    named_picture="图片“{name}”",
    named_text="《{name}》",
    page="“{name}”第 {page} 页",
    moment="“{name}” {time} 处",
    nothing="没有找到与这个问题相关的内容。",
    unanswered="找到的内容没有回答这个问题。",
    between="",
)
_WORDINGS = {Language.EN: _ENGLISH, Language.ZH: _CHINESE}


def wording(language: Language) -> Wording:
    """The wording of `language`; English for those we do not speak."""
    return _WORDINGS.get(language, _ENGLISH)


def describe_item(item: Item, words: Wording) -> str:
    """How a sentence names `item`: its title or file name, and where inside its document it stands."""
    name = item_name(item)
    position = item.position
    if name and position is not None and position.page is not None:
        return words.page.format(name=name, page=position.page)
    if name and position is not None and position.timestamp_s is not None:
        return words.moment.format(name=name, time=_clock(position.timestamp_s))
    if item.media is None and item.kind is ItemKind.TEXT:
        return words.named_text.format(name=name) if name else words.unnamed_text
    return words.named_picture.format(name=name) if name else words.unnamed_picture


def item_name(item: Item) -> str:
    """Title, else file name of its source, else the client's key; empty if there is none of them."""
    file_name = item.source_uri.rstrip("/").rsplit("/", 1)[-1]
    key = "" if item.key.startswith("sha256:") else item.key
    candidates = (as_data(name[:_READ_LIMIT_CHARS]) for name in (item.title, file_name, key))
    return shorten(next(filter(None, candidates), ""), _NAME_LIMIT_CHARS)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(int(seconds), 0), _MINUTE_S)
    hours, minutes = divmod(minutes, _MINUTE_S)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
