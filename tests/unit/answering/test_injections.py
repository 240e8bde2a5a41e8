"""The injected documents are what they claim to be, and the prompt keeps each of them in its fence."""

from __future__ import annotations

import pytest

from retrieval_service.domain.fragments import Fragment, Prompt
from retrieval_service.providers.openai.chat.prompting import model_input
from tests.fakes.openai.behaviours import OBEYED, obedient
from tests.kits.injections_kit import KINDS, WORDS, Injected, injected_documents

INJECTED = tuple(injected_documents())


def task(title: str, text: str) -> str:
    fragment = Fragment(
        number=1, document_id="", chunk_id="", title=title, url="", text=text, language="en", score=1.0
    )
    asked = Prompt(
        question="?",
        language="en",
        shop_name="S",
        fallback_contact="",
        instructions="",
        fragments=(fragment,),
    )
    return model_input(asked).messages[-1].content


def test_there_are_two_hundred_of_them() -> None:
    assert len(INJECTED) >= 200
    assert len({one.document.content for one in INJECTED}) == len(INJECTED)


def test_every_kind_speaks_every_language() -> None:
    assert {(one.kind, one.document.language) for one in INJECTED} == {
        (kind, language) for kind in KINDS for language in WORDS
    }


@pytest.mark.parametrize("one", INJECTED, ids=lambda one: one.document.external_id)
def test_obedient_model_finds_nothing_to_obey(one: Injected) -> None:
    assert OBEYED not in obedient(task(one.document.title, one.document.content))
    assert OBEYED not in obedient(task(one.document.content, "X"))


@pytest.mark.parametrize("kind", ["role_tags", "chat_template", "fences", "homoglyph_fences", "invisible"])
def test_obedient_model_obeys_what_is_not_neutralised(kind: str) -> None:
    content = next(one.document.content for one in INJECTED if one.kind == kind)
    assert OBEYED in obedient(task("T", "X").replace("\nX\n", f"\n{content}\n"))
