"""What a quote is about by the title, question or heading above it; "News" and "Catalogue" name no topic."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from retrieval_service.domain.quotation.quotes import Quote, Source
from retrieval_service.text.function_words import content_words
from retrieval_service.text.words import stem, words

# As many sentences as a summary may be made from, each compared with several others.
_CACHED_TEXTS = 1_024

# Places on a site where anything may stand.
_SECTIONS = """
news promotion promotions promo offer offers deal deals sale sales discount discounts special specials catalogue catalog
faq question questions frequently asked answer answers help support info information about contact contacts terms
conditions rule rules policy blog article articles shop store site website page home main product products goods range
assortment price prices pricelist list announcement announcements update updates customer customers buyer buyers client
clients service general newsletter overview details notice notices brochure leaflet
новость новости акция акции предложение предложения распродажа распродажи скидка скидки каталог вопрос вопросы ответ
ответы часто частые задаваемые помощь поддержка информация инфо компания контакты условие условия правило правила
политика блог статья статьи магазин магазина сайт страница главная товар товары продукция ассортимент цена цены прайс
лист объявление объявления обновление обновления покупатель покупателям покупателя клиент клиентам сервис общее общие
рассылка обзор памятка справка
notícia notícias novidade novidades promoção promoções oferta ofertas desconto descontos liquidação saldos catálogo
pergunta perguntas resposta respostas frequente frequentes ajuda suporte informação informações sobre contato contatos
contacto contactos termo termos condição condições regra regras política blogue artigo artigos loja página início
principal produto produtos preço preços lista tabela anúncio anúncios aviso avisos atualização atualizações cliente
clientes serviço geral boletim
"""


def own_topic(quote: Quote, said: Collection[str]) -> frozenset[str]:
    """Stems of the two lines above the quote, without those that it says itself."""
    above = "\n".join(quote.topic.split("\n")[:2])
    language = quote.fragment.language
    return stems(above, language) - _sections(language) - frozenset(said)


def are_apart(one: Quote, other: Quote, said: Collection[str], said_by_other: Collection[str]) -> bool:
    """Products must be the same thing; texts may not each have something of its own above them."""
    if Source.PRODUCT in (one.source, other.source):
        return one.topic != other.topic
    mine, others = own_topic(one, said), own_topic(other, said_by_other)
    return bool(mine - others and others - mine)


@lru_cache(maxsize=_CACHED_TEXTS)
def stems(text: str, language: str) -> frozenset[str]:
    """Of words with a meaning."""
    return frozenset(stem(word, language)[1] for word in content_words(words(text), [language]))


@lru_cache(maxsize=64)
def _sections(language: str) -> frozenset[str]:
    return frozenset(stem(word, language)[1] for word in words(_SECTIONS))
