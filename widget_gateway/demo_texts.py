"""The demo shop's texts in three languages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Texts:
    """The texts of one language; `questions` are shown as buttons."""

    language: str
    brand: str
    title: str
    headline: str
    lead: str
    open_chat: str
    questions: tuple[str, ...]
    categories: str
    catalogue: str
    help: str
    ask_about: str
    out_of_stock: str
    footer: str
    snippet_label: str
    nav_label: str
    language_label: str


RUSSIAN = Texts(
    language="ru",
    brand="Чайная миля",
    title="Чайная миля — чай, кофе и посуда",
    headline="Чай и кофе, о которых есть что рассказать",
    lead=(
        "Спросите помощника в углу экрана: он знает каждый чай на полке, сроки доставки и правила "
        "возврата — и показывает, откуда это взял."
    ),
    open_chat="Спросить помощника",
    questions=("Какой чай выпить вечером?", "Сколько стоит доставка?"),
    categories="На полках",
    catalogue="Каталог",
    help="Вопросы и правила",
    ask_about="Расскажи про",
    out_of_stock="нет в наличии",
    footer=(
        "Демонстрационный магазин Кладезя. Товары вымышлены, ответы — настоящие: их составляет сервис"
        " по этому каталогу."
    ),
    snippet_label="Чат на этой странице подключён одной строкой:",
    nav_label="Разделы",
    language_label="Язык",
)
ENGLISH = Texts(
    language="en",
    brand="Tea Mile",
    title="Tea Mile — tea, coffee and teaware",
    headline="Tea and coffee with a story to tell",
    lead=(
        "Ask the assistant in the corner: it knows every tea on the shelf, delivery times and the "
        "returns policy, and it shows where it read them."
    ),
    open_chat="Ask the assistant",
    questions=("Which tea is good in the evening?", "How much is delivery?"),
    categories="On our shelves",
    catalogue="Catalogue",
    help="Questions and policies",
    ask_about="Tell me about",
    out_of_stock="out of stock",
    footer=(
        "Kladez demo shop. The goods are made up, the answers are real: the service writes them from "
        "this catalogue, which is in Russian."
    ),
    snippet_label="One line puts the chat on this page:",
    nav_label="Sections",
    language_label="Language",
)
PORTUGUESE = Texts(
    language="pt",
    brand="Milha do Chá",
    title="Milha do Chá — chás, cafés e utensílios",
    headline="Chás e cafés com história para contar",
    lead=(
        "Pergunte ao assistente no canto da tela: ele conhece cada chá da prateleira, os prazos de "
        "entrega e as regras de devolução, e mostra de onde tirou a resposta."
    ),
    open_chat="Perguntar ao assistente",
    questions=("Qual chá tomar à noite?", "Quanto custa o frete?"),
    categories="Nas prateleiras",
    catalogue="Catálogo",
    help="Perguntas e regras",
    ask_about="Fale sobre",
    out_of_stock="esgotado",
    footer=(
        "Loja de demonstração do Kladez. Os produtos são inventados, as respostas são reais: o "
        "serviço as escreve a partir deste catálogo, que está em russo."
    ),
    snippet_label="Uma linha coloca o chat nesta página:",
    nav_label="Seções",
    language_label="Idioma",
)

LANGUAGES = {texts.language: texts for texts in (RUSSIAN, ENGLISH, PORTUGUESE)}


def texts_for(wanted: str, accept_language: str) -> Texts:
    """`?lang=`, else the browser's first language that we have, else English."""
    accepted = [part.strip()[:2].lower() for part in accept_language.split(",")]
    known = (code for code in (wanted, *accepted) if code in LANGUAGES)
    return LANGUAGES[next(known, "en")]
