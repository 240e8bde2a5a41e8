"""The texts of a snapshot's page in three languages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Texts:
    """The texts of one language; `date_format` is for strftime."""

    language: str
    kind: str
    sources: str
    nothing: str
    withdrawn: str
    until: str
    date_format: str
    missing_title: str
    missing: str
    too_often_title: str
    too_often: str
    unavailable_title: str
    unavailable: str


ENGLISH = Texts(
    language="en",
    kind="Summary of a search",
    sources="Sources",
    nothing="No sources.",
    withdrawn="The summary was withdrawn: one of the documents it was made from is gone.",
    until="This page is kept until {date}.",
    date_format="%Y-%m-%d",
    missing_title="This page is gone",
    missing="It has expired or was replaced by a newer one. Ask again to get a new link.",
    too_often_title="One moment, please",
    too_often="Too many pages were opened from your address. Try again in a minute.",
    unavailable_title="Not available right now",
    unavailable="The page cannot be read at the moment. Try again shortly.",
)
RUSSIAN = Texts(
    language="ru",
    kind="Сводка по запросу",
    sources="Источники",
    nothing="Источников нет.",
    withdrawn="Сводка снята: одного из документов, по которым она составлена, больше нет.",
    until="Страница хранится до {date}.",
    date_format="%d.%m.%Y",
    missing_title="Этой страницы больше нет",
    missing="Срок ссылки истёк, или её заменила более новая. Спросите ещё раз — придёт новая ссылка.",
    too_often_title="Минуту, пожалуйста",
    too_often="С вашего адреса открыто слишком много страниц. Попробуйте через минуту.",
    unavailable_title="Сейчас недоступно",
    unavailable="Страницу пока не удаётся прочитать. Попробуйте чуть позже.",
)
PORTUGUESE = Texts(
    language="pt",
    kind="Resumo de uma busca",
    sources="Fontes",
    nothing="Sem fontes.",
    withdrawn="O resumo foi retirado: um dos documentos de que foi feito já não existe.",
    until="Esta página fica disponível até {date}.",
    date_format="%d/%m/%Y",
    missing_title="Esta página não existe mais",
    missing="O link expirou ou foi substituído por um mais novo. Pergunte de novo para receber outro.",
    too_often_title="Um momento, por favor",
    too_often="Muitas páginas foram abertas do seu endereço. Tente de novo em um minuto.",
    unavailable_title="Indisponível agora",
    unavailable="Não foi possível ler a página. Tente de novo em instantes.",
)

LANGUAGES = {texts.language: texts for texts in (RUSSIAN, ENGLISH, PORTUGUESE)}


def texts_for(language: str, accept_language: str) -> Texts:
    """The snapshot's own language, else the browser's first one that we have, else English."""
    accepted = [part.strip()[:2].lower() for part in accept_language.split(",")]
    known = (code for code in (language, *accepted) if code in LANGUAGES)
    return LANGUAGES[next(known, "en")]
