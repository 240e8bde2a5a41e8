"""How Russian, English and Portuguese compare, rank, count and list: closed classes of their grammar, as patterns.

Texts are lower-case, with "е" for "ё". No pattern repeats a group that repeats itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Side(StrEnum):
    """Where of an amount the wanted values lie."""

    BELOW = "below"
    UP_TO = "up to"
    FROM = "from"
    ABOVE = "above"
    ABOUT = "about"


# Directly before an amount. The negated ones come first: "not more than" is "up to".
BEFORE_AMOUNT: Mapping[Side, str] = {
    Side.UP_TO: (
        r"not? (?:more|higher|dearer|costlier|pricier) than|not? more expensive than|not? (?:above|over|exceeding)|"
        r"at most|up to|maximum(?: of)?|max|within|a?\s?budget(?: is| of)?|"
        r"не (?:дороже|больше|более|выше|свыше)(?: чем)?|до|в пределах|максимум|бюджет(?:ом)?(?: до)?|"
        r"(?:não|nao) (?:mais|acima)(?: caro| cara| caros| caras)?(?: do)?(?: que| de)|no máximo|no maximo|até|ate|"
        r"orçamento(?: é)?(?: de)?|orcamento(?: e)?(?: de)?"
    ),
    Side.FROM: (
        r"not? (?:less|lower|cheaper) than|not? (?:below|under)|at least|from|starting (?:at|from)|minimum(?: of)?|"
        r"не (?:дешевле|меньше|менее|ниже)(?: чем)?|от|начиная (?:с|от)|минимум|"
        r"(?:não|nao) menos (?:do )?(?:que|de)|no mínimo|no minimo|pelo menos|a partir de|desde"
    ),
    Side.BELOW: (
        r"(?:cheaper|less|lower|fewer|lighter|smaller)(?: expensive)? than|less expensive than|under|below|beneath|"
        r"(?:дешевле|меньше|менее|ниже|легче)(?: чем)?|"
        r"(?:menos|mais barat[oa]s?|mais leves?|menor(?:es)?|abaixo|inferior(?:es)?)(?: do)?(?: que| de| a)"
    ),
    Side.ABOVE: (
        r"(?:more|higher|dearer|pricier|costlier|heavier|larger|bigger)(?: expensive)? than|over|above|exceeding|"
        r"(?:дороже|больше|более|выше|свыше|тяжелее)(?: чем)?|"
        r"(?:mais(?: car[oa]s?| pesad[oa]s?)?|maior(?:es)?|acima|superior(?:es)?)(?: do)?(?: que| de| a)"
    ),
    Side.ABOUT: (
        r"about|around|roughly|approximately|near|circa|"
        r"около|примерно|приблизительно|порядка|где-то|в районе|"
        r"cerca de|por volta de|em torno de|aproximadamente|uns|umas"
    ),
}
# Directly behind an amount.
BEHIND_AMOUNT: Mapping[Side, str] = {
    Side.UP_TO: (
        r"(?:or|and) (?:less|under|below|cheaper)|at most|max(?:imum)?|"
        r"(?:и|или) (?:дешевле|меньше|ниже|менее)|максимум|ou menos|e abaixo|no máximo|no maximo"
    ),
    Side.FROM: (
        r"(?:or|and) (?:more|over|above|up)|at least|"
        r"(?:и|или) (?:дороже|больше|выше|более)|минимум|ou mais|e acima|no mínimo|no minimo"
    ),
}
BETWEEN = r"between|между|entre"
AND = r"and|to|и|до|e|até|ate|a"
# These speak of money whatever the number behind them counts.
OF_MONEY = (
    r"cheap|expensive|dearer|pric|cost|budget|spend|afford|дешев|дорож|дорог|цен|стоим|стоит|стоят|бюджет|"
    r"barat|\bcar[oa]s?\b|preço|preco|custa|orçamento|orcamento|gastar"
)

_CHEAPEST = (
    r"(?:the )?(?:cheapest|least expensive|lowest[ -]priced?|lowest cost|most affordable)|"
    r"сам(?:ый|ая|ое|ые|ого|ой|ую|ых|ым|ыми|ому|ом) (?:дешев|недорог|бюджетн)[а-я]*|"
    r"(?:дешевле|дешевле других) (?:всего|всех)|наидешевейш[а-я]*|"
    r"(?:os? |as? )?(?:mais barat(?:o|a|os|as)\b(?! (?:que|do que|de ))|menos car(?:o|a|os|as)\b|mais em conta)|"
    r"(?:o )?menor preço|(?:o )?menor preco"
)
_DEAREST = (
    r"(?:the )?(?:most expensive|priciest|dearest|costliest|highest[ -]priced?|highest cost)|"
    r"сам(?:ый|ая|ое|ые|ого|ой|ую|ых|ым|ыми|ому|ом) дорог[а-я]*|дороже (?:всего|всех)|"
    r"(?:os? |as? )?mais car(?:o|a|os|as)\b(?! (?:que|do que|de ))|(?:o )?maior preço|(?:o )?maior preco"
)
# What every shop's things have more or less of, by the unit that it is measured in.
_LIGHTEST = r"(?:the )?lightest|сам(?:ый|ая|ое|ые|ого|ую|ых) легк[а-я]*|легче (?:всего|всех)|(?:os? |as? )?mais leves?"
_HEAVIEST = (
    r"(?:the )?heaviest|сам(?:ый|ая|ое|ые|ого|ую|ых) тяжел[а-я]*|тяжелее (?:всего|всех)|"
    r"(?:os? |as? )?mais pesad(?:o|a|os|as)"
)
_STRONGEST = (
    r"(?:the )?most powerful|сам(?:ый|ая|ое|ые|ого|ую|ых) мощн[а-я]*|мощнее (?:всего|всех)|"
    r"(?:os? |as? )?mais potentes?"
)
_LOWEST = (
    r"(?:the )?(?:lowest|smallest|least|minimum|minimal)|"
    r"сам(?:ый|ая|ое|ые|ого|ой|ую|ых|ым|ыми) (?:низк|маленьк|небольш)[а-я]*|наименьш[а-я]*|минимальн[а-я]*|"
    r"(?:o |a |os |as )?(?:menor(?:es)?|mais baix(?:o|a|os|as)|mínim[oa]s?)"
)
_HIGHEST = (
    r"(?:the )?(?:highest|largest|biggest|greatest|maximum|maximal)|"
    r"сам(?:ый|ая|ое|ые|ого|ой|ую|ых|ым|ыми) (?:высок|больш)[а-я]*|наибольш[а-я]*|максимальн[а-я]*|"
    r"(?:o |a |os |as )?(?:maior(?:es)?|mais alt(?:o|a|os|as)|máxim[oa]s?)"
)

PRICE = "price"


# (measure or "" for the one that the question names, whether the highest is wanted, pattern)
SUPERLATIVES: tuple[tuple[str, bool, str], ...] = (
    (PRICE, False, _CHEAPEST),
    (PRICE, True, _DEAREST),
    ("gram", False, _LIGHTEST),
    ("gram", True, _HEAVIEST),
    ("watt", True, _STRONGEST),
    ("", False, _LOWEST),
    ("", True, _HIGHEST),
)

# At the beginning of the question, with what stands for the thing in between.
COUNT = (
    r"(?:сколько (?:всего |видов |разных |моделей |у вас (?:есть |всего |видов |разных |моделей |в продаже )*)?)|"
    r"how many (?:different |kinds of |types of |models of )?|"
    r"quant[oa]s (?:tipos de |modelos de |opções de |opcoes de )?"
)
# Without one of these a count asks for something else: "how many days", "сколько стоит".
HAVING = (
    r"\b(?:do|does|did) (?:you|they|the shop) (?:currently )?(?:have|sell|stock|offer|carry)\b|\bare there\b|"
    r"\bin stock\b|у вас|есть|имеется|продаете|продается|в наличии|в продаже|в ассортименте|"
    r"voc[eê]s (?:t[eê]m|vendem|oferecem)|\bh[aá]\b|existem|em estoque|em stock|à venda|a venda"
)
LIST = (
    r"(?:please )?(?:list|show|show me|give me|name)(?: me)? (?:all|every)(?: of)?(?: (?:the|your|available))*|"
    r"(?:what|which) (?:kinds? of |types? of |models? of )?(?=.{1,60} (?:do you|have you))|"
    r"(?:покажите|покажи|перечислите|перечисли|назовите|дайте|дай|список)(?: мне)?(?: весь| все| всех)?|"
    r"(?:какие|какой|какая|какое) (?:у вас (?:есть|имеются|продаются)?|есть|имеются|продаются|вы продаете|бывают)|"
    r"(?:mostre|liste|listar|mostrar|lista de|me mostre|me mostra)(?: me)?(?: tod[oa]s)?(?: os| as)?|"
    r"quais (?:tipos de |modelos de )?(?=.{1,60} (?:voc[eê]s|existem|vendem|(?:t[eê]m|h[aá])\W{0,3}$))|"
    r"(?:que|quais) (?=.{1,60} voc[eê]s (?:t[eê]m|vendem))"
)
SORTED_UP = (
    r"(?:sort(?:ed)?|order(?:ed)?|rank(?:ed)?)? ?by price(?:,? (?:lowest|cheapest|ascending)(?: first)?)?|"
    r"от дешев[а-я]* к дорог[а-я]*|по (?:возрастанию )?цен[еы]|сначала дешев[а-я]*|"
    r"(?:ordenad[oa]s? |em ordem )?(?:por|de) preço(?: crescente)?|do mais barato (?:ao|para o) mais caro"
)
SORTED_DOWN = (
    r"(?:by price )?(?:descending|most expensive first|highest first)|от дорог[а-я]* к дешев[а-я]*|"
    r"по убыванию цены|сначала дорог[а-я]*|do mais caro (?:ao|para o) mais barato|por preço decrescente"
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Behind one of these a name says what the thing is for, or what comes with it.
BEHIND_HEAD = _words("for with to from для к с со под на от para pra com")

# Before a word these say that it is not wanted.
NEGATIONS = _words("not except excluding не кроме não nao exceto")
OUT_OF_STOCK = (
    r"(?:out of|not in|no longer in) stock|sold out|\bunavailable|not available|"
    r"(?:нет|не|отсутству[а-я]*) (?:сейчас |сегодня |больше )?(?:в наличии|на складе)|распродан[а-я]*|закончил[а-я]*|"
    r"esgotad[oa]s?|(?:fora|sem) (?:de |em )?(?:estoque|stock)|indispon[ií]ve(?:l|is)|em falta|"
    r"n[ãa]o (?:\w{2,6} )?(?:em estoque|em stock|dispon[ií]ve(?:l|is))"
)
IN_STOCK = (
    r"(?<!back )in stock|\bavailable|в наличии|на складе|\bдоступн(?:о|а|ы|ен|ые|ых)\b|"
    r"em estoque|em stock|\bdispon[ií]ve(?:l|is)"
)
# What begins so asks for all that are in stock; what only names things does too.
STOCK_LIST = (
    r"what(?:['’]s)?|which|show|list|name|что|чего|как(?:ие|ой|ая|ое|их)|покаж[а-я]*|перечисл[а-я]*|назов[а-я]*|"
    r"o que|que|quais|qual|mostr[a-z]*|list[ea]r?"
)
# These tell of another wish than one for a list.
NO_LIST = r"if|when|how|why|если|когда|как|почему|se|quando|como|por que|porque"

# What is said around the thing that is looked for.
FRAME = _words(
    """
    list show give find name tell available stock sell sells offer offers carry have has had got cost costs costing
    price prices priced pricing expensive cheap cheaper cheapest dear product products item items model models kind
    kinds option options type types thing things goods one ones variety under over range different currently shop
    store many total looking spend budget money please best right moment today
    покажи покажите перечисли перечислите назови назовите дай дайте список подбери подберите найди найдите
    есть имеется имеются бывают наличии продаже продаете продается продаются продажа ассортименте ассортимент
    стоит стоят стоимость стоимостью стоимости цена цене цены ценой цену ценам ценами товар товары товара товаров
    модель модели моделей вариант варианты вариантов вид виды видов вещь вещи штука позиция позиции позиций
    отсортируй отсортируйте сам самый самая самое самые самого самой самую самых дешевый дешевая дешевое дешевые
    дорогой дорогая дорогое дорогие недорогой недорогие бюджет бюджетом деньги магазин магазине всего разных около
    сейчас сегодня
    ordene ordenar mostre mostra mostrar liste listar lista dê dar vendem vende oferecem tem têm existe existem
    disponível disponíveis estoque stock venda preço preco preços precos valor valores custa custam custo barato barata
    baratos baratas caro cara caros caras produto produtos item itens artigo artigos modelo modelos opção opções
    opcao opcoes tipo tipos coisa todos todas agora hoje loja orçamento orcamento total quantos quantas
    """
)
