"""Phrases of courtesy and of promises in Russian, English and Portuguese, one pattern a line.

The patterns are for one line without Markdown, and ignore case.
"""

from __future__ import annotations

import re

_LETTERS_REPEATED = re.compile(r"(?<=\\w)([*+])|(?<=\[\^\\W_\])([*+])|(?<=\[\\w'’\])([*+])")


def _any_of(patterns: str) -> str:
    return "|".join(patterns.split("\n")[1:-1])


def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiles the patterns with bounded repeats, so that a long word is not read again from each of its parts."""
    bounded = _LETTERS_REPEATED.sub(lambda sign: "{0,30}" if sign[0] == "*" else "{1,30}", pattern)
    return re.compile(bounded.replace(")*", "){0,9}").replace(" +", " "), re.IGNORECASE)


_THANKS_FOR = _any_of(r"""
 за(?: ваш\w*| это\w*| хорош\w*| интересн\w*)* (?:вопрос|обращени|интерес|ожидани|понимани|терпени|сообщени|помощь)\w*
 for(?: your| the| this| such| a| an| good| great)* (?:questions?|message|interest|patience|visit|help)
 for (?:asking|writing|reaching out|contacting us)
 (?:pel[oa]|por)(?: su[ao])?(?: bo[am])? (?:perguntar?|contato|interesse|paciência|mensagem|visita|ajuda)
""")
_ABOUT = r"(?: (?:о|об|про|к|about|in|sobre) [^\W_]+(?: [^\W_]+)?)?"
_THANKED = rf"(?:(?:{_THANKS_FOR}){_ABOUT})?"

# Whole phrases: "free" of "feel free to ask" would be a promise.
_COURTESIES = (
    _any_of(r"""
(?:здравствуй|приветству|привет)\w*
(?:добр|хорош|приятн)\w* (?:вам )?(?:день|дня|утро|утра|вечер|вечера|ночи|времени суток)
что (?:спросили|обратились|написали|уточнили|выбрали нас)
пожалуйста|разумеется|(?:да,? )?конечно|(?:хороший|отличный|интересный) вопрос
с удовольствием(?: помогу| поможем| отвечу| расскажу)?
(?:я |мы )?(?:всегда |был\w* |будем? |буду )*рад[аы]?(?: бы| вам| был[аи]?| вас)*(?: помочь| ответить| видеть)?
(?:всегда )?обращайтесь(?: ещё| еще| к нам| снова)?|спрашивайте|пишите|если что
если (?:у вас )?(?:появятся|возникнут|будут|остались|останутся|есть) (?:[^\W_]+ ){0,2}вопросы
(?:удачных|приятных) покупок|приятного (?:чаепития|аппетита)
всего (?:доброго|хорошего)|до свидания|добро пожаловать(?: в наш магазин| к нам)?
(?:уважаем|дорог)[^\W_]+(?: клиент[^\W_]*| покупател[^\W_]*| друзья| друг| гост[^\W_]*)?
к сожалению|извините|простите|сожале(?:ю|ем)|надеюсь,? (?:это )?(?:помог(?:ла|ло|ли|ает)?|поможет|было полезно)
"""),
    _any_of(r"""
hi|hello|hey|dear(?: customers?| friends?| guests?)?|there|everyone|good (?:morning|day|evening|afternoon|night)
you(?:['’]re| are) (?:very |most )?welcome|welcome(?: to our (?:shop|store))?|(?:good|great) question
(?:yes,? )?of course|sure(?: thing)?|certainly|absolutely|with pleasure|please
(?:i['’]m |i am |we['’]re |we are |i['’]d be )?(?:always )?(?:glad|happy|here) to help(?: you)?(?: with that)?
here(?:['’]s| is) what (?:i|we) (?:found|know|have)
if you (?:have|need)(?: any| more| other| further| anything| else| questions?| help)*
(?:just |please )*(?:let (?:me|us) know|feel free to (?:ask|contact us)|ask(?: me| us| away)?)
have a (?:nice|great|good|lovely|wonderful) (?:day|evening|weekend)|enjoy your (?:day|purchase)|goodbye|bye
(?:i |we )?hope (?:that|this|it|i) (?:helps|helped|was helpful|answers your question)|happy shopping|take care
unfortunately|(?:i['’]m |i am |we['’]re )?(?:very |so )?sorry|(?:i|we) apologi[sz]e
(?:i|we)(?:['’]d| would) (?:love|like) to help|(?:i|we) wish (?:i|we) could help
"""),
    _any_of(r"""
olá|ola|oi|bo[am] (?:dia|tarde|noite)|tudo bem|prezad[oa]s?(?: clientes?)?|car[oa]s? clientes?|de nada
(?:sim,? )?claro|com (?:todo o )?prazer|por favor|(?:boa|ótima|excelente) pergunta|bem vind[oa]s?
(?:fico|estou|ficamos|estamos) (?:sempre )?(?:feliz em ajudar|à disposição)|prazer em (?:te )?ajudar
conte (?:comigo|conosco)|(?:é )?só (?:perguntar|chamar|avisar)|boas compras|até (?:logo|mais)|volte sempre
espero (?:ter (?:te )?ajudado|que (?:isso |isto )?(?:ajude|tenha ajudado))|qualquer (?:outra )?(?:dúvida|coisa|pergunta)
tenha uma? (?:bo[am]|ótim[oa]|excelente|lind[oa]) (?:dia|tarde|noite|semana|fim de semana)
se (?:você )?(?:tiver|surgir\w*) (?:mais |outras? |alguma )*(?:dúvidas?|perguntas?)
infelizmente|desculpe?m?|lament(?:o|amos)|sinto muito|gostaria de (?:poder )?ajudar
"""),
    rf"(?:(?:большое|огромное) )?спасибо(?: большое| огромное| вам| тебе)*{_THANKED}",
    rf"благодар(?:ю|им)(?: вас)?{_THANKED}",
    rf"(?:many )?thanks(?: a lot| so much)?{_THANKED}|thank you(?: very much| so much)?{_THANKED}",
    rf"(?:muito )?obrigad[oa]{_THANKED}|agradec(?:o|emos){_THANKED}",
)
COURTESY = _compiled(rf"\b(?:{'|'.join(_COURTESIES)})\b")

_FREE = _any_of(r"""
бесплатн|\bдаром\b|без оплаты|за наш сч[её]т|(?<![\d.,])0 ?(?:₽|руб|reais|dollars)|[$€] ?0(?![\d.,])
(?<![\w-])free\b(?! to\b| of (?!charge))|\b(?:no|without) (?:cost|charge)
\bgr[aá]tis\b|gratuit|\bde graça\b|\bsem custo
""")
_FOREVER = r"\bнавсегда\b|\bforever\b|\bpara sempre\b"
# Named as facts are.
PROMISES = {
    "promise:free": re.compile(_FREE, re.IGNORECASE),
    "promise:forever": re.compile(_FOREVER, re.IGNORECASE),
}
