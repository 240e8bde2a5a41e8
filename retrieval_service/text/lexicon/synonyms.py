"""Words that customers and shops use for the same thing, in English, Russian and Portuguese.

A line is a group: what a customer says finds what a document says. Any form of a word will do, because only
stems are compared; a word may stand in several groups.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache

from retrieval_service.text.words import stem, words

_ENGLISH = """
delivery deliver shipping ship shipment send sending dispatch mail post
parcel package shipment order box packet
courier driver messenger
abroad international overseas foreign country countries
free complimentary nothing gratis
threshold minimum least spend smallest
cash pay payment
pay payment paying paid checkout charge
cash banknotes bills
card visa mastercard credit debit
price cost costs expensive much pricing
refund money reimbursement reimburse
return returns back unwanted bring
exchange swap replace replacement
broken damaged smashed cracked shattered chipped broke crushed
defect defective faulty fault malfunction
discount sale cheaper off deal reduction
coupon promo code voucher promocode
gift present
voucher certificate card
wholesale bulk reseller cafe restaurant trade horeca office quantity
pickup collect collection pick grab fetch
shop store outlet boutique
address located location where find street
open opening hours schedule working weekend sunday saturday
contact phone call email write reach support human person operator manager speak talk
subscription subscribe monthly regular regularly automatic automatically recurring month
points loyalty bonus bonuses cashback rewards reward
birthday anniversary bday
track tracking status whereabouts
cancel cancellation abort withdraw
change edit modify correct correction amend wrong mistake
store storage keep kept waiting hold
expire expiry expiration valid validity shelf good
sleep bed bedtime asleep evening night insomnia awake relax
caffeine decaf decaffeinated
energy energise wake morning awake invigorating
child children kid kids toddler baby son daughter
pregnant pregnancy expecting breastfeeding nursing
allergy allergic allergen allergens gluten lactose nuts
grind grinding ground grinder
brew brewing steep steeping prepare make infuse
water temperature degrees boiling kettle
sample samples taster try tasting
taste flavour flavor like dislike hate disappointed
warranty guarantee guaranteed
wrap wrapping packaging packed ribbon
invoice company legal business vat
stock available availability sold restock unavailable
notify notification alert inform remind
privacy personal data gdpr
fresh freshness roast roasted roasting
sweet sugar sweetened dessert
berry berries fruit fruity
class workshop masterclass course lesson tasting
recycle recycling eco environment
"""

_RUSSIAN = """
доставка доставить доставлять отправка отправить отправлять привезти привозить прислать присылать шлёте везти посылка
посылка заказ отправление коробка пакет бандероль
курьер курьерский
заграница страна зарубежный международный
бесплатно бесплатный даром халява
порог минимум минимальный минимальная
оплата оплатить оплачивать платить заплатить плачу расплатиться платёж
наличные наличными наличка нал кэш
наличные наличными наличка оплата оплатить
карта карточка карточкой банковская
цена стоимость стоить стоит почём прайс ценник
деньги средства сумма
возврат вернуть возвращать сдать
обмен обменять поменять заменить замена
разбиться разбилась разбить сломаться сломался повредить повреждён повреждение треснуть треснула
разбиться сломаться повредить повреждение расколоться бой битый помятый
брак дефект бракованный неисправный
скидка дешевле акция распродажа выгода
промокод купон код
подарок подарить дарить презент
сертификат ваучер карта
опт оптом оптовый партия кофейня кафе ресторан закупка
самовывоз забрать заберу
магазин лавка точка
адрес находиться находитесь расположены улица
график часы работаете расписание открыты выходной воскресенье суббота
связаться контакт контакты телефон позвонить написать оператор поддержка менеджер человек
подписка ежемесячно регулярно автоматически месяц
баллы бонусы кешбэк кэшбэк лояльность накопительный
рождение рождения днюха именинник
отследить отслеживать отслеживание трек статус
отменить отмена отказаться передумать
изменить поменять исправить ошибиться неправильный неверный перепутать
хранить хранение храниться лежать лежит срок
годность просроченный испортиться портиться истекать сгорать сгорят
сон спать уснуть засыпать бессонница ночь вечер вечером успокоить успокаивать расслабиться
кофеин декаф бескофеиновый
бодрить взбодриться проснуться утро утром энергия бодрость
ребёнок дети детский малыш сын дочка дочь
беременность беременная беременным кормящая кормление
аллергия аллергик аллерген глютен лактоза орехи
помол молоть смолоть помолоть молотый мелете
заваривать заварить заварка варить сварить приготовить готовить
вода кипяток температура градус
пробник образец попробовать пробовать дегустация
вкус вкусный понравиться понравился невкусный
гарантия гарантийный ремонт
упаковка упаковать обернуть завернуть лента
счёт юрлицо организация компания безнал ип фирма
наличие закончиться кончился закончился появится поступление
сообщить уведомить уведомление напомнить предупредить
персональные личные данные конфиденциальность
обжарка обжаренный свежий свежесть
сахар сладкий сладенький десерт
ягода ягодный фрукт фруктовый
урок курс мастер класс обучение
"""

_PORTUGUESE = """
entrega entregar envio enviar enviam frete mandar mandam despachar remessa
pacote encomenda pedido caixa remessa
entregador motoboy courier
exterior internacional país países estrangeiro
grátis gratuito gratuita graça
mínimo mínima limite gastar gastando
pagar pagamento pago paga
dinheiro espécie cédula
dinheiro espécie pagar pagamento
cartão crédito débito pix
preço custa custo valor custam barato caro
reembolso reembolsar dinheiro estorno
devolver devolução devoluções retornar
trocar troca substituir substituição
quebrar quebrado quebrada quebrou danificado danificada avariado rachado trincado amassado
defeito defeituoso estragado
desconto promoção oferta barato liquidação
cupom código promocional
presente presentear
vale cartão voucher
atacado revenda cafeteria restaurante quantidade muito
retirar retirada buscar pegar
loja ponto
endereço fica rua localização
horário aberto funciona domingo sábado abre fecha
contato telefone ligar escrever atendente suporte humano falar
assinatura assinar mensal mensalmente mês automático automaticamente
pontos bônus fidelidade cashback
aniversário niver
rastrear rastreamento rastreio acompanhar onde
cancelar cancelamento desistir desisti
alterar mudar corrigir errado errada erro
guardar armazenar conservar segurar segura espera prazo
validade vencer vence vencem expirar expira
dormir sono noite insônia acordado relaxar
cafeína descafeinado
energia acordar manhã
criança crianças filho filha bebê
grávida gravidez gestante amamentar amamentando
alergia alérgico alérgeno glúten lactose
moer moagem moído moída moem
preparar preparo fazer infusão
água temperatura fervente graus
amostra amostras provar experimentar degustação
sabor gosto gostei gostar ruim
garantia
embrulho embalagem embalar embrulhar fita
nota fiscal empresa cnpj
estoque disponível esgotado acabou acabar
avisar aviso avisam notificar notificação
pessoais dados privacidade
fresco torra torrado torrefação
açúcar doce
fruta frutas frutado
aula curso oficina
"""

_GROUPS: Mapping[str, str] = {"en": _ENGLISH, "ru": _RUSSIAN, "pt": _PORTUGUESE}


def synonyms(word: str, language: str) -> frozenset[str]:
    """The stems that may stand for this word, its own not among them; `word` is one of `words()`."""
    own = stem(word, language)[1]
    return _by_stem(language).get(own, frozenset()) - {own}


@lru_cache(maxsize=len(_GROUPS) + 1)
def _by_stem(language: str) -> Mapping[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for group in _stemmed(language):
        for one in group:
            found[one] |= group
    return {one: frozenset(several) for one, several in found.items()}


def _stemmed(language: str) -> Iterator[set[str]]:
    for line in _GROUPS.get(language, "").splitlines():
        yield {stem(word, language)[1] for word in words(line)}
