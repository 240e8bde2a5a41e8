"""Whether a title calls its thing by a word, or only uses the word for another thing: a "hive tool" is no hive."""

from __future__ import annotations

import re
from collections.abc import Collection

from retrieval_service.domain.indexing.lexical import stem_index
from retrieval_service.text.comparison_words import BEHIND_HEAD
from retrieval_service.text.words import words

# What a title tells of its thing behind these is no part of the thing's name.
_BREAK = re.compile(r"[,;:()\[\]«»\"“”|/–—\d]|\s-\s")
_LONGEST_TITLE = 300
_ADJECTIVE = re.compile(r"(?:[ыио]й|[ая]я|[ое]е|[ыи]е)$")
_NOUN = re.compile(r"(?:ание|ение|тие)$")
# A large one of the kind is one of the kind; so is a pair.
_VARIANTS = frozenset(
    [
        "small",
        "medium",
        "large",
        "mini",
        "midi",
        "maxi",
        "slim",
        "wide",
        "short",
        "long",
        "pro",
        "plus",
        "lite",
    ]
)
_SEVERAL = frozenset(["kit", "par", "conjunto", "jogo", "pack"])
_OF = frozenset(["de", "da", "do", "das", "dos"])


def called_so(titles: Collection[tuple[str, str]], asked: Collection[str]) -> set[tuple[str, str]]:
    """Those titles, each with its language, whose thing is called by one of the words; all where none is.

    English has the name of the kind last, Russian and Portuguese have it first, and a word that stands behind it
    is in another form than where it is the name.
    """
    places = {one: (_lead(one[0]), _places(*one, asked)) for one in titles}
    first = {one for one, (lead, found) in places.items() if found and _leads(lead, found[0], one[1])}
    forms = {lead[place] for lead, found in (places[one] for one in first) for place in found[:1]}
    kept = {
        one
        for one, (lead, found) in places.items()
        if one in first or not found or not _is_beside(one, lead, found[0], forms)
    }
    return kept if first else set(titles)


def _lead(title: str) -> list[str]:
    """The words of the name of the kind, with what stands before it."""
    beginning = next((part for part in _BREAK.split(title[:_LONGEST_TITLE]) if part.strip()), "")
    said = words(beginning)
    end = next((place for place, word in enumerate(said) if place and word in BEHIND_HEAD), len(said))
    return said[:end]


def _places(title: str, language: str, asked: Collection[str]) -> list[int]:
    stems = {stem_index(word, language) for word in asked}
    found = [place for place, word in enumerate(_lead(title)) if stem_index(word, language) in stems]
    return found[::-1] if language == "en" else found


def _leads(lead: list[str], place: int, language: str) -> bool:
    if language == "en":
        return all(word in _VARIANTS for word in lead[place + 1 :])
    if language == "ru":
        return all(_ADJECTIVE.search(word) and not _NOUN.search(word) for word in lead[:place])
    return all(word in _SEVERAL | _OF for word in lead[:place])


def _is_beside(title: tuple[str, str], lead: list[str], place: int, forms: Collection[str]) -> bool:
    """Surely for another thing. In English a name of the model may follow too, of several words."""
    text, language = title
    if language == "en":
        return len(lead) == place + 2
    is_of = language == "pt" and lead[place - 1] in _OF
    is_joined = language == "pt" and f"-{lead[place]}" in text.casefold()
    return is_of or is_joined or lead[place] not in forms
