"""Whose word a document is: the business's own, or that of strangers who wrote it a review."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from retrieval_service.domain.safe_text.links import is_honest

# A source type is that of strangers when its name has one of these in it, whatever stands around it.
_STEMS_IN_ENGLISH = (
    "review comment question ticket message conversation discussion forum thread feedback testimon opinion complain "
    "inquir enquir guestbook qanda communit usergenerat usercontent userphoto customerphoto transcript chatlog "
    "supportrequest customerrequest trustpilot googlemaps"
)
_STEMS_IN_PORTUGUESE = (
    "avaliac coment depoiment testemunh pergunt duvida opini reclamac resenh discuss mensag sugest "
    "queixa elogio batepapo"
)
_STEMS_IN_RUSSIAN = (
    "отзыв отклик коммент вопрос рецензи жалоб претензи обсужден сообщени переписк мнени обращени оценк форум "
    "гостев тикет обратнаясвяз отзовик обзор диалог впечатлен благодарност"
)
_STEMS_IN_LATIN_RUSSIAN = (
    "otzyv otziv otzuv otklik koment komment vopros recenzi retsenzi zhalob jalob pretenzi obsuzhd obsujd soobsh "
    "soobsc perepisk mneni obrash obrasch ocenk otsenk gostev tiket obratnayasvyaz obratnaiasviaz otzovik obzor dialog "
    "vpechatleni blagodarnost"
)
_STEMS = "|".join(
    f"{_STEMS_IN_ENGLISH} {_STEMS_IN_PORTUGUESE} {_STEMS_IN_RUSSIAN} {_STEMS_IN_LATIN_RUSSIAN}".split()
)
_STEM = re.compile(_STEMS)
# Parts of other words too, such as "operating", "relatorio" and "critical": these are whole words, or how one ends.
_WORD = re.compile(
    r"(?:chat|rating|conversa|relato|recado|critica|email|dm)s?|inbox|ugc|qas?|чаты?|chaty|тред[ыа]?"
    r"|pism[ao]|письм[ао]"
)
_ENDINGS = ("chats", "ratings", "qna", "qnas")
_QUESTIONS_AND_ANSWERS = re.compile(r"(?<![^_])q_(?:n_|e_)?as?(?![^_])")
# A business writes it, though it has "review" in it.
_PREVIEW = "preview"
# Those of a blog are the business's own, those of a community are not.
_POSTS = "posts"
_BLOG = re.compile(r"blog|news|блог|новост|novost|noticia")
# What is said about reviews or comments, and how to write them: English names it last, the others first.
_LAST_OF_OWN = ("policy", "policies", "price", "prices", "page", "rules", "guidelines")
_FIRST_OF_OWN = re.compile(
    r"politicas?|precos?|paginas?|regras?|политик[аи]|цен[аы]|страниц[аы]|правила|politik[ai]|tsen[ay]|cen[ay]"
    r"|strani(?:c|ts)[ay]|pravila"
)
# So shops call the page that has their own answers.
_OWN_ANSWERS = re.compile(r"(?:voprosy_(?:i_)?otvety|вопросы_(?:и_)?ответы|perguntas_?e?_?respostas|duvidas)")
# Questions that are asked often are collected by the business.
_OFTEN = re.compile(r"faq|frequent|част(?:о|ые|ых)|chast(?:o|ye|yie|yh|ykh)")
_NO_LETTERS = re.compile(r"[\W_]+")
_CACHED_TYPES = 1_024


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


@lru_cache(maxsize=_CACHED_TYPES)
def is_of_strangers(source_type: str) -> bool:
    """In English, Portuguese or Russian, as one word or several, with accents or without."""
    words = [word for word in _NO_LETTERS.split(_folded(source_type)) if word]
    if _OFTEN.search(_folded(source_type)) or _is_about_strangers_words(words):
        return False
    words = [word for word in words if not word.startswith(_PREVIEW)]
    has_word = any(_WORD.fullmatch(word) or word.endswith(_ENDINGS) for word in words)
    has_word = has_word or (_POSTS in words and not _BLOG.search("".join(words)))
    has_word = has_word or bool(_QUESTIONS_AND_ANSWERS.search("_".join(words)))
    return has_word or bool(_STEM.search("".join(words)))


def _is_about_strangers_words(words: Sequence[str]) -> bool:
    """Whether the business writes it, though such a word is in its name."""
    return bool(words) and bool(
        words[-1].endswith(_LAST_OF_OWN)
        or (len(words) > 1 and _FIRST_OF_OWN.fullmatch(words[0]))
        or _OWN_ANSWERS.fullmatch("_".join(words))
    )


def _folded(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return "".join(character for character in decomposed if not unicodedata.combining(character))
