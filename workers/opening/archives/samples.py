"""Which members of an archive belong together. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workers.opening.archives import names
from workers.opening.archives.member import Member


@dataclass(frozen=True)
class Sample:
    """What becomes one item, or one reason why there is none.

    Attributes:
        main: The picture; of a text without one, its first member; or the member that is refused.
        texts: What describes it, `main` too where that is a text.
        orphan: A text whose neighbours are pictures, none of which it belongs to.
    """

    main: Member
    texts: tuple[Member, ...] = ()
    orphan: bool = False


def samples(members: Sequence[Member]) -> list[Sample]:
    """Every member in a sample, in the order of the main members; a table is one of its own.

    Members belong together if they share a WebDataset key. Of several pictures with one key each is an item of its
    own; a text goes to the picture that its name begins with (`a.side.json` to `a.side.png`), or else to all of
    them if it bears the bare key.
    """
    found: list[Sample] = []
    by_key: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        if member.refusal or names.is_table(member.name):
            found.append(Sample(member))
        else:
            by_key[names.sample_key(member.name)].append(member)
    for key, group in by_key.items():
        found.extend(_of_group(key, group))
    return sorted(found, key=lambda sample: sample.main.index)


def _of_group(key: str, group: Sequence[Member]) -> Iterable[Sample]:
    texts = [member for member in group if names.is_text(member.name)]
    pictures = [member for member in group if not names.is_text(member.name)]
    if not pictures:
        return [Sample(texts[0], tuple(texts))]
    given: dict[int, list[Member]] = {picture.index: [] for picture in pictures}
    orphans = []
    for text in texts:
        owners = _owners(key, text, pictures)
        for owner in owners:
            given[owner.index].append(text)
        if not owners:
            orphans.append(Sample(text, orphan=True))
    return [*(Sample(picture, tuple(given[picture.index])) for picture in pictures), *orphans]


def _owners(key: str, text: Member, pictures: Sequence[Member]) -> Sequence[Member]:
    stems = {names.stem(picture.name) for picture in pictures}
    longest = max((stem for stem in stems if text.name.startswith(f"{stem}.")), key=len, default="")
    if longest:
        return [picture for picture in pictures if names.stem(picture.name) == longest]
    return pictures if names.stem(text.name) == key else ()
