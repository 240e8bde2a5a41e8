"""Words of Russian, English and Portuguese that numbers go with: units, currencies, months, number words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

Unit = tuple[str, Decimal]


def _unit(base: str, factor: str, words: str) -> dict[str, Unit]:
    return {word: (base, Decimal(factor)) for word in words.split()}


# Measures of one kind are compared in one unit: "1,5 кг" is "1500 g", "2 weeks" are "14 dias".
UNITS: Mapping[str, Unit] = {
    **_unit("second", "1", "с сек секунда секунды секунд секунду s sec second seconds segundo segundos seg"),
    **_unit("second", "60", "мин минута минуты минут минуту min mins minute minutes minuto minutos"),
    **_unit("second", "3600", "ч час часа часов часам часами h hr hrs hour hours hora horas"),
    **_unit("second", "86400", "дн день дня дней дню дням сутки суток day days dia dias"),
    **_unit("second", "604800", "нед неделя недели недель неделю неделям week weeks semana semanas"),
    **_unit("month", "1", "мес месяц месяца месяцев месяцам month months mês mes meses"),
    **_unit("month", "12", "год года лет году годам year years ano anos"),
    **_unit("gram", "1", "г гр грамм грамма граммов граммам g gr gram grams grama gramas"),
    **_unit("gram", "0.001", "мг mg"),
    **_unit(
        "gram",
        "1000",
        "кг килограмм килограмма килограммов kg kgs kilo kilos quilo quilos kilogram kilograms",
    ),
    **_unit("litre", "0.001", "мл ml миллилитр миллилитра миллилитров"),
    **_unit("litre", "1", "л литр литра литров l litre litres liter liters litro litros"),
    **_unit("metre", "0.001", "мм mm миллиметр миллиметра миллиметров"),
    **_unit("metre", "0.01", "см cm сантиметр сантиметра сантиметров"),
    **_unit("metre", "1", "м метр метра метров m metre metres meter meters metro metros"),
    **_unit("metre", "1000", "км km километр километра километров quilômetros"),
    **_unit("watt", "1", "вт ватт w watt watts"),
    **_unit("watt", "1000", "квт kw"),
    **_unit("volt", "1", "вольт v volt volts"),
    **_unit("piece", "1", "шт штук штуки штука pcs piece pieces unidade unidades peça peças"),
    **_unit("degree", "1", "° °c °с градус градуса градусов degree degrees grau graus"),
    **_unit("point", "1", "балл балла баллов point points ponto pontos"),
    **_unit("percent", "1", "% ％ процент процента процентов percent"),
    **dict.fromkeys(("por cento", "per cent"), ("percent", Decimal(1))),
}

CURRENCIES: Mapping[str, str] = {
    word: code
    for code, words in {
        "RUB": "₽ р руб рубль рубля рублей рублям rub rur rubles roubles ruble rublos",
        "BRL": "r$ brl реал реала реалов real reais",
        "USD": "$ us$ usd доллар доллара долларов dollar dollars dólar dólares",
        "EUR": "€ eur евро euro euros",
        "GBP": "£ gbp фунт фунта фунтов pound pounds libra libras",
        "KZT": "₸ kzt тенге tenge",
        "UAH": "₴ uah гривна гривны гривен",
        "JPY": "¥ jpy cny юань юаня юаней иена иен yen yuan",
        "INR": "₹ inr",
        "TRY": "₺ try",
    }.items()
    for word in words.split()
}

_MONTHS = (
    "январ january janeiro jan",
    "феврал february fevereiro feb",
    "март march março marco mar",
    "апрел april abril apr",
    "май мая мае may maio",
    "июн june junho jun",
    "июл july julho jul",
    "август august agosto aug",
    "сентябр september setembro sep",
    "октябр october outubro oct",
    "ноябр november novembro nov",
    "декабр december dezembro dec",
)


def month_of(word: str) -> int:
    """1 to 12, or 0 for a word that names no month; Russian months by their stem."""
    word = word.lower()
    for number, names in enumerate(_MONTHS, start=1):
        stem = names.split()[0]
        if word in names.split() or (len(stem) > 3 and word.startswith(stem)):
            return number
    return 0


def _numbered(words: Iterable[tuple[int, str]]) -> dict[str, int]:
    return {word: number for number, group in words for word in group.split()}


# "тыс." may stand with its full stop.
SCALES: Mapping[str, int] = _numbered(
    [
        (
            10**3,
            "тыс тысяча тысячи тысяч тысячу тысяче тысячам тысячами тысячах тысячей thousand thousands mil",
        ),
        (
            10**6,
            "млн миллион миллиона миллионов миллиону миллионам миллионами миллионах mln million millions",
        ),
        (10**6, "milhão milhões"),
        (10**9, "млрд миллиард миллиарда миллиардов миллиардам bn billion billions bilhão bilhões"),
    ]
)

# They make hundreds of what stands before them.
HUNDREDS = frozenset({"hundred", "hundreds"})

# What "one" says alone is an article more often than a number.
NUMBER_WORDS: Mapping[str, Decimal] = {
    **{word: Decimal(number) for word, number in SCALES.items()},
    **dict.fromkeys(("полтора", "полторы", "полутора"), Decimal("1.5")),
    **{
        word: Decimal(number)
        for word, number in _numbered(
            [
                (1, "один одна одну одного одной one um uma"),
                (2, "два две двух двум двумя двоих two dois duas"),
                (3, "три трёх трех трём трем тремя троих three três"),
                (4, "четыре четырёх четырех четырём четырем четырьмя четверых four quatro"),
                (5, "пять пяти пятью пятерых five cinco"),
                (6, "шесть шести шестью шестерых six seis"),
                (7, "семь семи семерых seven sete"),
                (8, "восемь восьми восемью eight oito"),
                (9, "девять девяти девятью nine nove"),
                (10, "десять десяти десятью ten dez"),
                (11, "одиннадцать одиннадцати eleven onze"),
                (12, "двенадцать двенадцати twelve doze"),
                (13, "тринадцать тринадцати thirteen treze"),
                (14, "четырнадцать четырнадцати fourteen catorze quatorze"),
                (15, "пятнадцать пятнадцати fifteen quinze"),
                (16, "шестнадцать шестнадцати sixteen dezesseis dezasseis"),
                (17, "семнадцать семнадцати seventeen dezessete dezassete"),
                (18, "восемнадцать восемнадцати eighteen dezoito"),
                (19, "девятнадцать девятнадцати nineteen dezenove dezanove"),
                (20, "двадцать двадцати двадцатью twenty vinte"),
                (30, "тридцать тридцати тридцатью thirty trinta"),
                (40, "сорок сорока forty quarenta"),
                (50, "пятьдесят пятидесяти пятьюдесятью fifty cinquenta"),
                (60, "шестьдесят шестидесяти sixty sessenta"),
                (70, "семьдесят семидесяти seventy setenta"),
                (80, "восемьдесят восьмидесяти eighty oitenta"),
                (90, "девяносто девяноста ninety noventa"),
                (100, "сто ста hundred hundreds cem cento"),
                (200, "двести двухсот двумстам duzentos duzentas"),
                (300, "триста трёхсот трехсот тремстам trezentos trezentas"),
                (400, "четыреста четырёхсот четырехсот quatrocentos quatrocentas"),
                (500, "пятьсот пятисот quinhentos quinhentas"),
                (600, "шестьсот шестисот seiscentos seiscentas"),
                (700, "семьсот семисот setecentos setecentas"),
                (800, "восемьсот восьмисот oitocentos oitocentas"),
                (900, "девятьсот девятисот novecentos novecentas"),
            ]
        ).items()
    },
}
