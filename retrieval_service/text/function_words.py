"""Short lists of the words that carry grammar rather than content, in English, Russian and Portuguese."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_ENGLISH = """
a about above after again all also am an and any are as at be because been before being below between both
but by can could did do does doing down during each few for from further had has have having he her here
hers him his how i if in into is it its just me more most much many my no nor not now of off on once only or
other our ours out over own same shall she should so some such than that the their theirs them then there
these they this those through to too under until up us very was we were what when where whether which while
who whom whose why will with within without would yes you your yours
mine myself yourself ourselves himself herself itself
"""

_RUSSIAN = """
а без более больше бы был была были было быть в вам вами вас весь во вот все всего всей всех всею вы где да
даже для до его ее ей ему если есть еще ж же за здесь зачем и из изо или им ими их к как каким какая какие
каких какого какое какой каков какова каковы какую когда ко кого кому которая которого которое которой
которую которые который которых кто ли либо мне много можно мой моя мое мои моего моей мы на над надо нам
нами нас наш наша наше наши не него нее ней нет ни них но ну о об однако он она они оно от очень по под
после потом потому почему при про с сам со свой своя свое свои своего своей себе себя сколько та так такая
также такие такой там те тебе тебя тем теперь то тогда того тоже той только том тот ту ты у уже чего чей чем
через что чтобы чья эта эти этих это этого этой этом этот эту я
меня мной мною мою моим моими моих нашего нашей нашем наших нашим нашими нашу ваш ваша ваше ваши вашего вашей
вашем ваших вашим вашими вашу твой твоя твое твои ним нею ними нем собой
"""

_PORTUGUESE = """
a à ao aos aquela aquelas aquele aqueles aquilo aqui as às até cada com como contra da das de dela delas
dele deles depois desde dessa desse desta deste do dos e é ela elas ele eles em enquanto entre era eram essa
essas esse esses esta está estão estas estava este estes estou eu foi for foram há isso isto já la lhe lhes
lo mais mas me mesma mesmo meu meus minha minhas muita muito muitos na nas nem nessa nesse nesta neste no
nos nós nossa nosso num numa não o onde os ou para pela pelas pelo pelos perante por porque pois qual quais
quando quanta quantas quanto quantos que quem se seja sem ser será seu seus si sido sob sobre sua suas são
só também te tem têm tenho ter teu tinha tua tu um uma umas uns vai você vocês vos
mim comigo ti conosco nossas nossos
"""


# What people say around the thing they ask for: it tells nothing of whether a passage is about that thing.
_ENGLISH_TALK = """
please need want wanna like get got give tell know say ask help look looking find let make may might would could
ok okay hi hello hey thanks thank anything something someone stuff thing things way also really maybe possible
going gonna doing does buy take use
"""

_RUSSIAN_TALK = """
пожалуйста подскажите скажите помогите посоветуйте посоветуете хочу хотел хотела хотелось нужен нужна нужно нужны
ищу есть быть сделать делать делаете взять брать купить покупать найти скок скока пж спасибо здравствуйте привет
добрый день вообще просто чтоб чтобы можете могу может ли лучше хороший хорошо что-то чего-то как-то штука идет
интересует посоветовать
"""

_PORTUGUESE_TALK = """
favor quero queria gostaria preciso precisa precisava tem ter têm dá dar pode posso podem poder faço faz fazer fazem
ajuda ajude diga sei saber ok oi olá obrigado obrigada bom boa jeito coisa alguma algum algo pra pro tá vcs cadê
comprar usar indica me
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.replace("ё", "е").split())


FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    "en": _words(_ENGLISH),
    "ru": _words(_RUSSIAN),
    "pt": _words(_PORTUGUESE),
}

NEGATIONS: Mapping[str, frozenset[str]] = {
    "en": _words("not no never cannot don doesn isn aren won"),
    "ru": _words("не нет нельзя никогда"),
    "pt": _words("não nunca jamais"),
}
# In any of the languages.
DENIALS = frozenset[str]().union(*NEGATIONS.values()) | _words("without без sem")

# Words that decide between languages of one script: the neighbours do not spell theirs the same way.
TELLING_WORDS: Mapping[str, frozenset[str]] = {
    "en": _words("the and what how where when who which why does did your with from this that were"),
    "pt": _words(
        "não onde quem são foi uma aos você vocês meu meus minha minhas suas isso quais às também têm há"
    ),
    "ru": _words(
        "что где когда кто или если чтобы каков какая какие каким какой какое какую каких почему сколько еще"
    ),
    "uk": _words("що чи як скільки"),
}


def content_words(words: Iterable[str], languages: Iterable[str]) -> list[str]:
    """The words that are function words in none of the languages; all of them when nothing else is left."""
    given = list(words)
    dropped = frozenset[str]().union(*(FUNCTION_WORDS.get(language, frozenset()) for language in languages))
    return [word for word in given if word not in dropped] or given


TALK: Mapping[str, frozenset[str]] = {
    "en": _words(_ENGLISH_TALK),
    "ru": _words(_RUSSIAN_TALK),
    "pt": _words(_PORTUGUESE_TALK),
}


def telling_words(words: Iterable[str], language: str) -> list[str]:
    """The words that say what a question is about; all of them when nothing else is left."""
    given = content_words(words, (language,))
    talk = TALK.get(language, frozenset())
    return [word for word in given if word not in talk] or given
