"""Names that customers use for one and the same thing, in English, Russian and Portuguese.

Narrower than synonyms.py, which says what may find what: "Visa" may find "card", yet who asks for one does not ask
for the other. A line is a group of names between commas; a name may have several words, any form of a word will
do, and a name stands in one group only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from retrieval_service.text.words import stem, words

LONGEST_NAME = 4


@dataclass(frozen=True, kw_only=True)
class Name:
    """What a run of words stands for; `group` is the stems of the group's first name.

    `weight` is how much it tells, in (0, 1]. One that is decisive asks for something else wherever it is left out.
    """

    group: str
    weight: float = 1.0
    is_decisive: bool = False


@dataclass(frozen=True, kw_only=True)
class _Names:
    """Of one language. `questions` are decisive: who asks for a price does not ask whether a thing is there.

    `asides` and, even more so, `trifles` are mostly said or left out without asking for anything else.
    """

    things: str
    questions: str
    asides: str
    trifles: str


ASIDE = 0.5
TRIFLE = 0.3

_ENGLISH = _Names(
    things="""
        delivery, deliver, shipping, ship, dispatch
        abroad, overseas, international, internationally, foreign countries, another country
        gift card, gift voucher, gift certificate, gift token
        promo code, coupon, coupon code, discount code, promocode, promotional code
        discount, price reduction, reduction, reduced price
        refund, money back, reimbursement, reimburse
        return, send back, give back, bring back
        exchange, swap
        broken, damaged, smashed, cracked, shattered
        defective, faulty
        fix, repair, mend
        warranty, guarantee
        cancel, stop, unsubscribe, terminate
        change, modify, edit, alter
        pick up, pickup, collect, collection
        shop, store, physical shop, physical store
        open, opening, close, closed, closing
        phone, telephone
        email, email address, mail address, e mail, mail
        human, person, operator, human operator, human being, real person, agent
        loyalty program, loyalty programme, loyalty scheme, bonus program, bonus programme, bonus scheme
        decaf, decaf coffee, decaffeinated, decaffeinated coffee, caffeine free, caffeine free coffee, without caffeine
        gluten free, without gluten
        sugar free, without sugar, unsweetened
        lactose free, without lactose
        child, children, kid
        baby, infant, toddler
        free, free of charge, gratis
        wholesale, bulk, in bulk
        wifi, wi fi
        parking, park
        job, vacancy, hiring, hire, career
        intern, internship
        invoice, bill
        instalments, installments
        express, urgent, fast
        cash, banknotes
        wrap, wrapping
        expire, expiry, expiration, shelf life
        prepare, brew, brewing
        reset, recover, restore, forgot, lost
        support, customer support, customer service, help desk
    """,
    questions="""
        how much, price, cost, fee, charge
        when, hours, what time, schedule
        who
        without
        not arrived, not come, not received, never arrived, not arrive, didn t arrive, didn t come
        not work, doesn t work, not accepted, not valid, invalid, rejected
    """,
    asides="""
        how long, period, duration, how many days
        order, parcel, package, shipment, goods, product, item
    """,
    trifles="""
        where, address, located, location, directions
        pay, payment, paying
        contact, get in touch, talk, speak, reach, write, call
        drink, eat
    """,
)

_RUSSIAN = _Names(
    things="""
        доставка, доставлять, доставить, отправлять, отправить, отправка, привезти, привозить, прислать, присылать
        за границу, за рубеж, международный, в другие страны, в другую страну
        подарочная карта, подарочная карточка, подарочный сертификат, подарочный ваучер
        промокод, купон, промо код, код на скидку
        возврат денег, вернуть деньги, возврат средств, вернуть средства, возвращать деньги
        вернуть, возврат, сдать, возвращать, отправить обратно
        изменить, поменять, менять, сменить, заменить, обменять, обмен, исправить, редактировать
        разбитый, разбился, разбилась, сломанный, сломался, сломалась, повреждённый, битый, треснувший
        бракованный, брак, с браком, дефектный, дефект
        починить, чинить, ремонт, ремонтировать, ремонтируете, отремонтировать
        отменить, отмена, отказаться, отписаться, прекратить
        самовывоз, забрать, забрать самому, самому забрать, забрать самостоятельно
        магазин, физический магазин
        телефон, номер телефона
        почта, электронная почта, адрес почты, адрес электронной почты, имейл, email, e mail
        человек, живой человек, оператор, живой оператор, менеджер
        программа лояльности, бонусная программа, бонусная система, накопительная программа
        декаф, без кофеина, кофе без кофеина, бескофеиновый, бескофеиновый кофе
        без глютена, безглютеновый
        без сахара, несладкий
        без лактозы, безлактозный
        ребёнок, ребёнка, дети, детский
        младенец, малыш, грудничок
        бесплатно, бесплатный, даром
        опт, оптом, оптовый
        wifi, wi fi, вайфай, вай фай
        парковка, парковаться, припарковаться, стоянка
        вакансия, вакансии, вакансий
        стажёр, стажировка
        рассрочка, по частям
        срочный, срочно, экспресс, быстрый
        наличные, наличными, налом
        упаковка, упаковать, завернуть
        заваривать, заварить, приготовить, готовить
        отследить, отслеживать, отслеживание, трек номер, трек, трекинг
        восстановить, сбросить, забыл, забыла
        поддержка, служба поддержки, техподдержка
        срок годности, годен, годна, годно
        минимальный, минимум, минимальная сумма
    """,
    questions="""
        цена, стоимость, стоить, стоит, почём
        когда, во сколько, до скольки, часы работы, график работы, вы работаете, открыты, открывается, закрывается
        кто
        без
        не пришёл, не пришла, не приехал, не приехала, не получил, не получила, не доставили
        не работает, не срабатывает, не принимается, не применяется
    """,
    asides="""
        как долго, срок, сроки, сколько дней, сколько времени, длится, действует
        заказ, посылка, товар, отправление
    """,
    trifles="""
        где, куда, адрес, находиться, находится, расположен, расположены, как добраться, как проехать
        оплата, оплатить, оплачивать, платить, заплатить
        связаться, поговорить, написать, позвонить, обратиться, позвать, позовите, соединить, соедините
        пить
    """,
)

_PORTUGUESE = _Names(
    things="""
        entrega, entregar, envio, enviar, frete, mandar, despachar, remeter
        exterior, internacional, outro país, outros países, fora do país
        cartão presente, cartões presente, vale presente, vales presente, cheque presente
        cupom, cupom de desconto, cupão, código promocional, código de desconto
        desconto, abatimento
        reembolso, reembolsar, dinheiro de volta, estorno, devolução do dinheiro
        devolver, devolução, retornar
        alterar, mudar, modificar, editar, trocar, troca
        quebrado, quebrada, danificado, danificada, rachado, trincado
        defeituoso, com defeito
        consertar, conserto, reparo, reparar
        cancelar, cancelamento, desistir, encerrar
        retirar, retirada, buscar, pegar
        loja, loja física
        telefone, número de telefone
        email, e mail, correio eletrônico
        pessoa, pessoa real, humano, atendente, operador
        programa de fidelidade, programa de pontos, programa de bônus, clube de pontos
        descafeinado, café descafeinado, sem cafeína, café sem cafeína
        criança, infantil
        bebê, recém nascido
        grátis, gratuito, gratuita, de graça
        atacado, por atacado, no atacado
        wifi, wi fi
        estacionamento, estacionar
        vaga, emprego, contratar, contratam
        estágio, estagiário
        parcelar, parcelado, parcelamento, em parcelas
        expresso, urgente, rápido
        dinheiro, em espécie
        embalagem, embalar, embrulho, embrulhar
        preparar, preparo
        rastrear, rastreio, rastreamento
        recuperar, redefinir, esqueci
        suporte, atendimento, atendimento ao cliente
        nota fiscal, nota, fatura
        mínimo, mínima, valor mínimo
        validade, vencer, vence
    """,
    questions="""
        preço, custa, quanto custa, valor, custo, taxa
        quando, que horas, horas, horário, horário de funcionamento, funcionamento, abre, abrem, aberto, fecha, fecham
        quem
        sem
        não chegou, não recebi
        não funciona, não é aceito, não aceita, inválido
    """,
    asides="""
        quanto tempo, quanto tempo demora, prazo, demora, dura, duração, quantos dias
        pedido, encomenda, pacote, produto, item
    """,
    trifles="""
        onde, onde fica, endereço, fica, localização, como chegar
        pagar, pagamento
        falar, falo, entrar em contato, entro em contato, contato, contatar, escrever, ligar
        tomar, beber
    """,
)

_LANGUAGES: Mapping[str, _Names] = {"en": _ENGLISH, "ru": _RUSSIAN, "pt": _PORTUGUESE}


def named(stems: Sequence[str], place: int, language: str) -> tuple[Name, int] | None:
    """The longest name that begins at this place, and how many words it has."""
    known = _by_stems(language)
    for length in range(min(LONGEST_NAME, len(stems) - place), 0, -1):
        if name := known.get(tuple(stems[place : place + length])):
            return name, length
    return None


def names(language: str) -> Iterator[Sequence[str]]:
    """Each name of the language, as its words."""
    listed = _LANGUAGES.get(language)
    kinds = (listed.things, listed.questions, listed.asides, listed.trifles) if listed else ()
    return (words(name) for kind in kinds for line in kind.splitlines() for name in line.split(","))


@lru_cache(maxsize=len(_LANGUAGES) + 1)
def _by_stems(language: str) -> Mapping[tuple[str, ...], Name]:
    return dict(_listed(_LANGUAGES[language], language)) if language in _LANGUAGES else {}


def _listed(names: _Names, language: str) -> Iterator[tuple[tuple[str, ...], Name]]:
    yield from _grouped(names.things, language, weight=1.0, is_decisive=False)
    yield from _grouped(names.questions, language, weight=1.0, is_decisive=True)
    yield from _grouped(names.asides, language, weight=ASIDE, is_decisive=False)
    yield from _grouped(names.trifles, language, weight=TRIFLE, is_decisive=False)


def _grouped(
    listed: str, language: str, *, weight: float, is_decisive: bool
) -> Iterator[tuple[tuple[str, ...], Name]]:
    for line in filter(None, map(str.strip, listed.splitlines())):
        stems = [tuple(stem(word, language)[1] for word in words(name)) for name in line.split(",")]
        name = Name(group=" ".join(stems[0]), weight=weight, is_decisive=is_decisive)
        yield from ((one, name) for one in stems)
