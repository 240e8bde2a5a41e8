"""The service's own texts in an answer, in the customer's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from retrieval_service.text.languages import dominant_script
from retrieval_service.text.small_talk.small_talk import Pleasantry

# The characters of a question that an answer repeats.
LONGEST_NAMED = 120


@dataclass(frozen=True, kw_only=True)
class _Phrases:
    quotes: str
    not_found: str
    not_found_in_shop: str
    contact: str
    extract: str
    perhaps: str
    otherwise: str
    partly: str
    not_found_of_several: str
    no_answer: str
    to_greeting: str
    to_thanks: str
    to_farewell: str
    to_acknowledgement: str
    to_bot_question: str
    to_wish_for_more: str
    to_wish_for_human: str
    nobody_to_ask: str


_ENGLISH = _Phrases(
    quotes="From our materials:",
    not_found="I don't know: our materials say nothing about this.",
    not_found_in_shop="I don't know: the materials of “{shop_name}” say nothing about this.",
    contact="The team will help you: {contact}",
    extract="“{text}”",
    perhaps="Perhaps this helps:",
    partly="The materials do not answer all of this.",
    otherwise="If this is not it, the team will help you: {contact}",
    not_found_of_several="The materials do not answer this: {question}",
    no_answer="I cannot answer this.",
    to_greeting="Hello! What would you like to know?",
    to_thanks="You are welcome! If anything else comes up, just ask.",
    to_farewell="Goodbye! Come back any time.",
    to_acknowledgement="If anything else comes up, just ask.",
    to_bot_question="I am a program, not a person: I answer from documents. What would you like to know?",
    to_wish_for_more="What would you like to know more about?",
    to_wish_for_human="You would like to speak to a person.",
    nobody_to_ask="I am a program and cannot put you through, and I was given no contact. You can ask me.",
)
_PHRASES: Mapping[str, _Phrases] = {
    "en": _ENGLISH,
    "ru": _Phrases(
        quotes="По нашим материалам:",
        not_found="Не знаю: в наших материалах об этом ничего нет.",
        not_found_in_shop="Не знаю: в материалах «{shop_name}» об этом ничего нет.",
        contact="Помогут сотрудники: {contact}",
        extract="«{text}»",
        perhaps="Возможно, это поможет:",
        partly="На часть вопроса в материалах ответа нет.",
        otherwise="Если это не то, помогут сотрудники: {contact}",
        not_found_of_several="В материалах нет ответа на это: {question}",
        no_answer="На это я ответить не могу.",
        to_greeting="Здравствуйте! Что вам подсказать?",
        to_thanks="Пожалуйста! Появятся ещё вопросы — спрашивайте.",
        to_farewell="До свидания! Будем рады помочь снова.",
        to_acknowledgement="Появятся ещё вопросы — спрашивайте.",
        to_bot_question="Я программа, а не человек: отвечаю по документам. Что вам подсказать?",
        to_wish_for_more="О чём рассказать подробнее?",
        to_wish_for_human="Вы хотите поговорить с человеком.",
        nobody_to_ask="Я программа, соединить с человеком не могу, и контакта мне не дали. Спросите меня.",
    ),
    "pt": _Phrases(
        quotes="Segundo nossos materiais:",
        not_found="Não sei: nossos materiais não dizem nada sobre isso.",
        not_found_in_shop="Não sei: os materiais de “{shop_name}” não dizem nada sobre isso.",
        contact="A equipe pode ajudar: {contact}",
        extract="“{text}”",
        perhaps="Talvez isto ajude:",
        partly="Os materiais não respondem a tudo isso.",
        otherwise="Se não for isso, a equipe pode ajudar: {contact}",
        not_found_of_several="Os materiais não respondem a isto: {question}",
        no_answer="Não posso responder a isso.",
        to_greeting="Olá! O que você gostaria de saber?",
        to_thanks="De nada! Se surgir outra dúvida, é só perguntar.",
        to_farewell="Até logo! Volte sempre.",
        to_acknowledgement="Se surgir outra dúvida, é só perguntar.",
        to_bot_question="Sou um programa, não uma pessoa: respondo com documentos. O que você quer saber?",
        to_wish_for_more="Sobre o que você quer saber mais?",
        to_wish_for_human="Você quer falar com uma pessoa.",
        nobody_to_ask="Sou um programa, não posso transferir você e não recebi nenhum contato. Pode perguntar a mim.",
    ),
}


def quotes_lead_in(language: str) -> str:
    """Says that quotations follow; ends with a colon."""
    return _phrases(language).quotes


def not_found_text(language: str, shop_name: str, contact: str) -> str:
    """The text for "I don't know". Shop and contact may be empty; a name in an unreadable alphabet is left out."""
    phrases = _phrases(language)
    is_said = shop_name and (language == "ru" or dominant_script(shop_name) != "Cyrillic")
    # Replaced instead of formatted, because a name may hold braces.
    said = phrases.not_found_in_shop.replace("{shop_name}", shop_name) if is_said else phrases.not_found
    return _with_contact(said, phrases, contact)


def offers_lead_in(language: str) -> str:
    """Introduces an offer without claiming anything; ends with a colon."""
    return _phrases(language).perhaps


def extract_text(language: str, text: str) -> str:
    """A quotation in quotation marks."""
    return _phrases(language).extract.replace("{text}", text)


def otherwise_text(language: str, contact: str) -> str:
    """The contact for when no offer helps; "" without a contact."""
    return _phrases(language).otherwise.replace("{contact}", contact) if contact else ""


def partly_text(language: str, contact: str) -> str:
    """Says that a part of the question stays open; the contact may be empty."""
    phrases = _phrases(language)
    return _with_contact(phrases.partly, phrases, contact)


def part_not_found_text(language: str, question: str) -> str:
    """The text for one of several questions without an answer, which it repeats; claims nothing."""
    return _phrases(language).not_found_of_several.replace("{question}", named_question(question))


def named_question(question: str) -> str:
    """A customer's question on one line, shortened; ends with its mark."""
    said = " ".join(question.split()).rstrip("?")
    return f"{said[:LONGEST_NAMED]}…?" if len(said) > LONGEST_NAMED else f"{said}?"


def no_answer_text(language: str, contact: str) -> str:
    """For a model that refused or said nothing; the contact may be empty."""
    phrases = _phrases(language)
    return _with_contact(phrases.no_answer, phrases, contact)


def pleasantry_text(pleasantry: Pleasantry, language: str, contact: str = "") -> str:
    """The reply to a courtesy. A customer who asks for a person gets the contact, or learns that there is none."""
    phrases = _phrases(language)
    to_wish = _with_contact(phrases.to_wish_for_human, phrases, contact)
    replies = {
        Pleasantry.AGAIN: phrases.to_wish_for_more,
        Pleasantry.FAREWELL: phrases.to_farewell,
        Pleasantry.THANKS: phrases.to_thanks,
        Pleasantry.GREETING: phrases.to_greeting,
        Pleasantry.ACKNOWLEDGEMENT: phrases.to_acknowledgement,
        Pleasantry.BOT: phrases.to_bot_question,
        Pleasantry.HUMAN: to_wish if contact else phrases.nobody_to_ask,
    }
    return replies[pleasantry]


def _with_contact(said: str, phrases: _Phrases, contact: str) -> str:
    return f"{said} {phrases.contact.replace('{contact}', contact)}" if contact else said


def _phrases(language: str) -> _Phrases:
    return _PHRASES.get(language, _ENGLISH)
