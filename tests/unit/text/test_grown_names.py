"""A name that the shop has given never grows into somebody else's, whatever a model puts behind it."""

from __future__ import annotations

import pytest

from bot.rendering.linking import without_new_links
from bot.rendering.styled import StyledText
from retrieval_service.text.contacts import JOINER
from tests.fakes.telegram_links import links_of
from tests.unit.safe_text.test_marks_in_links import in_commonmark, in_telegram, safe, without_marks

GROWN = [
    "@lumen_bot\\_help",
    "@lumen_bot\\_\\_help",
    "@lumen_bot\\\\_help",
    "@lumen\\_bot\\_help",
    "@lumen_bot\\_**help**",
    "**@lumen_bot**help",
    "**@lumen_bot**_help",
    "`@lumen_bot`help",
    "@lumen_bot`help`",
    "@lumen_bot`_help`",
    "@lumen_bot*help*",
    "@lumen_bot**_help_**",
    "@lumen_bot~~help~~",
    "@lumen_bot||help||",
    "@lumen_bot\ufe0fhelp",
    "@lumen_bot<b>help</b>",
    "@lumen_bot<https://good.example/x>",
    "@lumen_bot\\<b>_help</b>",
    "@lumen_bot[help](/returns)",
    "[@lumen_bot](/returns)_help",
    "help@lumen.shop**ping**",
    "help@lumen.shop\\_x",
]


# The fake begins a host behind "@" at its second letter.
OWN = {"@lumen_bot", "help@lumen.shop", "umen.shop", "/returns", "ood.example/x"}


def in_pieces(text: str) -> set[str]:
    """What comes of it, cut into deltas of one to seven characters and not at all."""
    return {
        safe(*(text[start : start + length] for start in range(0, len(text), length)))
        for length in (*range(1, 8), len(text))
    }


@pytest.mark.parametrize("attack", GROWN)
def test_name_of_the_shop_does_not_grow(attack: str) -> None:
    for text in (attack, f"Пишите {attack} сейчас [1]."):
        said = in_pieces(text)
        assert len(said) == 1
        for shown_by in (in_telegram, in_commonmark, without_marks):
            shown = links_of(shown_by(next(iter(said))))
            assert {*shown} <= OWN, shown


@pytest.mark.parametrize(
    "text",
    ["_@lumen_bot_", "**@lumen_bot**, да", "_Пишите @lumen_bot_.", "`@lumen_bot` или *help@lumen.shop*"],
)
def test_name_within_marks_passes_to_the_letter(text: str) -> None:
    assert in_pieces(text) == {text}


def test_bot_compares_names_as_wholes() -> None:
    grown = without_new_links(StyledText(text="@lumen_bot_help"), "@lumen_bot\\_help")
    assert grown.text == f"@{JOINER}lumen_bot_help"
    assert without_new_links(StyledText(text="@lumen_bot"), "_@lumen_bot_").text == "@lumen_bot"
