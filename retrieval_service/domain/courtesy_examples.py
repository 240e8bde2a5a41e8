"""Examples of what is said beside questions, and of questions, by which a model tells the one from the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from retrieval_service.domain.pleasantries import Pleasantry


@dataclass(frozen=True, kw_only=True)
class Example:
    """A courtesy as somebody may write it."""

    pleasantry: Pleasantry
    language: str
    text: str


_TEXTS: Mapping[Pleasantry, Mapping[str, tuple[str, ...]]] = {
    Pleasantry.GREETING: {
        "en": (
            "hello there",
            "hey, how are you doing",
            "good morning to you",
            "greetings",
            "good evening everyone",
        ),
        "ru": ("здравствуйте", "приветик, как дела", "доброе утро", "салют", "добрый вечер"),
        "pt": ("olá, tudo bem", "oi, bom dia", "e aí, beleza", "saudações", "boa tarde, pessoal"),
    },
    Pleasantry.THANKS: {
        "en": (
            "thanks a lot",
            "thank you, you are great",
            "I am grateful",
            "that helped me a lot",
            "well done, great bot",
        ),
        "ru": (
            "спасибо большое",
            "вы лучшие",
            "очень признателен",
            "вы мне очень помогли",
            "отличная работа, молодцы",
        ),
        "pt": (
            "muito obrigado",
            "agradeço demais",
            "fico grato",
            "você me ajudou muito",
            "parabéns, muito legal",
        ),
    },
    Pleasantry.FAREWELL: {
        "en": ("goodbye", "see you later", "talk to you soon", "have a nice evening"),
        "ru": ("до свидания", "увидимся позже", "всего хорошего", "хорошего вечера"),
        "pt": ("tchau", "até mais tarde", "nos falamos em breve", "tenha uma boa noite"),
    },
    Pleasantry.BOT: {
        "en": (
            "are you a bot?",
            "am I talking to a real person or a machine?",
            "are you an artificial intelligence?",
        ),
        "ru": ("ты бот?", "я разговариваю с человеком или с машиной?", "вы искусственный интеллект?"),
        "pt": (
            "você é um robô?",
            "falo com uma pessoa ou uma máquina?",
            "você é uma inteligência artificial?",
        ),
    },
    Pleasantry.HUMAN: {
        "en": (
            "I want to talk to a human",
            "connect me to an operator",
            "let me speak with a real person, please",
        ),
        "ru": ("хочу поговорить с человеком", "позовите оператора", "соедините меня с живым сотрудником"),
        "pt": ("quero falar com uma pessoa", "chame um atendente", "me passa para um humano, por favor"),
    },
    Pleasantry.AGAIN: {
        "en": ("tell me more", "more details, please", "could you repeat that?", "can you explain it again?"),
        "ru": ("расскажите подробнее", "подробнее, пожалуйста", "повторите ещё раз", "а можно подробнее?"),
        "pt": ("conte mais", "mais detalhes, por favor", "pode repetir?", "explique melhor"),
    },
}
EXAMPLES = tuple(
    Example(pleasantry=pleasantry, language=language, text=text)
    for pleasantry, by_language in _TEXTS.items()
    for language, texts in by_language.items()
    for text in texts
)
# They are of every trade, and ask for something that documents may say.
QUESTIONS = (
    *("how much does it cost?", "where are you located?", "how do I reset my password?", "is it in stock?"),
    *("what time do you open?", "can I return it?", "my order has not arrived", "do you have it in blue?"),
    *(
        "I need help with my account",
        "what is your phone number?",
        "who can use this?",
        "good shoes",
        "hello kitty bag",
    ),
    *(
        "how long does delivery take?",
        "how does it work?",
        "do you speak Spanish?",
        "thank-you cards",
        "bot settings",
    ),
    *(
        "сколько это стоит?",
        "где вы находитесь?",
        "как сбросить пароль?",
        "есть в наличии?",
        "когда вы открываетесь?",
    ),
    *("можно вернуть?", "мой заказ не пришёл", "какой у вас телефон?", "кому это подходит?", "хорошая обувь"),
    *(
        "нужна помощь с аккаунтом",
        "сколько идёт доставка?",
        "как это работает?",
        "подарок в благодарность",
        "доброе вино",
    ),
    *("quanto custa?", "onde vocês ficam?", "como redefinir a senha?", "tem em estoque?", "que horas abre?"),
    *("what about the second one?", "а второй?", "e o segundo?"),
    *("posso devolver?", "meu pedido não chegou", "qual é o telefone?", "quem pode usar?", "bom sapato"),
    *(
        "preciso de ajuda com a conta",
        "quanto tempo demora a entrega?",
        "como funciona?",
        "cartão de agradecimento",
    ),
)
