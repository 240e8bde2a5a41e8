"""Whose word a document is: the business's own, or that of strangers who wrote it a review."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from retrieval_service.domain.links import is_honest

# A source type is that of strangers when its name has one of these in it, whatever stands around it.
_STEMS_IN_ENGLISH = (
    "review comment question ticket message conversation discussion forum thread feedback testimon opinion complain "
    "inquir enquir guestbook qanda"
)
_STEMS_IN_PORTUGUESE = (
    "avaliac coment depoiment testemunh pergunt duvida opini reclamac resenh discuss mensag sugest"
)
_STEMS_IN_RUSSIAN = (
    "отзыв отклик коммент вопрос рецензи жалоб претензи обсужден сообщени переписк мнени обращени оценк форум "
    "гостев тикет обратнаясвяз"
)
_STEMS_IN_LATIN_RUSSIAN = (
    "otzyv otziv otzuv otklik koment komment vopros recenzi retsenzi zhalob jalob pretenzi obsuzhd obsujd soobsh "
    "soobsc perepisk mneni obrash obrasch ocenk otsenk gostev tiket obratnayasvyaz obratnaiasviaz"
)
_STEMS = "|".join(
    f"{_STEMS_IN_ENGLISH} {_STEMS_IN_PORTUGUESE} {_STEMS_IN_RUSSIAN} {_STEMS_IN_LATIN_RUSSIAN}".split()
)
_STEM = re.compile(_STEMS)
# Parts of other words too, such as "operating" and "chateau": these are whole words, or how one ends.
_WORD = re.compile(r"(?:chat|rating|conversa)s?|ugc|qa|qas|чаты?|chaty|тред[ыа]?")
_ENDINGS = ("chats", "ratings", "qna", "qnas")
_QUESTIONS_AND_ANSWERS = re.compile(r"(?<![^_])q_(?:n_|e_)?as?(?![^_])")
# A business writes it, though it has "review" in it.
_PREVIEW = "preview"
# Questions that are asked often are collected by the business.
_OFTEN = re.compile(r"faq|frequent|част(?:о|ые|ых)|chast(?:o|ye|yie|yh|ykh)")
_NO_LETTERS = re.compile(r"[\W_]+")


@dataclass(frozen=True, kw_only=True)
class SourceTrust:
    """By source type. What the tenant lists counts; of all other types the words of their names decide."""

    trusted_types: frozenset[str] = frozenset()
    untrusted_types: frozenset[str] = frozenset()
    own_hosts: frozenset[str] = frozenset()

    def trusts(self, source_type: str) -> bool:
        if source_type in self.untrusted_types:
            return False
        return source_type in self.trusted_types or not is_of_strangers(source_type)

    def url_of(self, source_type: str, url: str) -> str:
        """A stranger's document leads to the business's own pages or nowhere."""
        return url if self.trusts(source_type) or self._is_own(url) else ""

    def _is_own(self, url: str) -> bool:
        if url.startswith("/"):
            return is_honest(url)
        host = urlsplit(url).hostname or "" if is_honest(url, self.own_hosts) else ""
        return any(host == own or host.endswith(f".{own}") for own in self.own_hosts)


def trust_of(
    *, trusted: Sequence[str], untrusted: Sequence[str], domains: Sequence[str], origins: Sequence[str]
) -> SourceTrust:
    """`domains` may be linked to; the pages of `origins` are the business's own too."""
    hosts = {urlsplit(origin).hostname or "" for origin in origins}
    return SourceTrust(
        trusted_types=frozenset(trusted),
        untrusted_types=frozenset(untrusted),
        own_hosts=frozenset(host.lower() for host in (*domains, *hosts) if host),
    )


def is_of_strangers(source_type: str) -> bool:
    """In English, Portuguese or Russian, as one word or several, with accents or without."""
    if _OFTEN.search(_folded(source_type)):
        return False
    words = [word for word in _NO_LETTERS.split(_folded(source_type)) if not word.startswith(_PREVIEW)]
    has_word = any(_WORD.fullmatch(word) or word.endswith(_ENDINGS) for word in words)
    has_word = has_word or _QUESTIONS_AND_ANSWERS.search("_".join(words))
    return bool(has_word or _STEM.search("".join(words)))


def _folded(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return "".join(character for character in decomposed if not unicodedata.combining(character))
