"""Portuguese."""

from bot.texts.catalog import Texts

TEXTS = Texts(
    code="pt",
    own_name="Português",
    greeting="Olá! Aqui é {shop}. Pergunte o que quiser.",
    no_shop=(
        "Ainda não sei sobre qual loja você quer perguntar. Abra o link que a loja lhe deu ou envie "
        "/start seguido da chave da loja."
    ),
    unknown_shop="Não conheço nenhuma loja com esta chave. Confira o link ou peça um novo à loja.",
    handed_over="Continuamos aqui a sua conversa com {shop}. Foi aqui que paramos:",
    handoff_ended="Este link já foi usado ou os seus dez minutos acabaram. Pegue um novo no chat do site.",
    help=(
        "Escreva a pergunta com as suas palavras, em qualquer idioma: procuro a resposta nos documentos "
        "da loja e indico as fontes.\n\n"
        "Em um grupo, mencione-me ou responda a uma das minhas mensagens.\n\n"
        "/start — a saudação e algumas perguntas para começar\n"
        "/lang — o idioma dos botões e das dicas\n"
        "/help — esta página"
    ),
    command_start="Começar uma conversa com uma loja",
    command_help="O que eu sei fazer",
    command_language="Escolher o idioma",
    choose_language="Em que idioma mostro os botões e as dicas? As respostas vêm no idioma da pergunta.",
    language_chosen="Certo, falamos português.",
    stop_button="⏹ Parar",
    stopped="Interrompido a seu pedido.",
    nothing_to_stop="Esta resposta já terminou.",
    not_yours="Só quem perguntou pode parar a resposta.",
    sources="Fontes",
    not_confirmed="Não confirmado pelas fontes.",
    rated="Obrigado!",
    not_rated="Esta resposta já não pode ser avaliada.",
    is_wrong="A resposta está errada",
    is_beside_the_question="Não responde à minha pergunta",
    is_out_of_date="Está desatualizada",
    is_unclear="É difícil de entender",
    still_answering="Ainda estou respondendo à pergunta anterior. Aguarde ou toque em Parar.",
    too_busy="Há gente demais perguntando agora. Tente de novo em um minuto.",
    too_long="A pergunta é longa demais. Use no máximo {limit} caracteres.",
    only_text="Só entendo perguntas escritas.",
    empty_answer="Não tenho resposta para isso.",
    model_away="O redator do assistente está indisponível; estas são citações.",
    not_sure="Não é uma resposta: apenas o que pode ajudar.",
    cut_short="A resposta passou do tamanho permitido e termina aqui.",
    interrupted="A resposta foi interrompida porque estou sendo reiniciado. Pergunte de novo em um minuto.",
    failed="Não consegui terminar a resposta. Tente de novo.",
    unavailable="A base de conhecimento não responde agora. Tente de novo em um minuto.",
    too_many="Perguntas demais de uma vez. Tente de novo em {seconds} s.",
    quota_spent="Hoje não dá para responder a mais perguntas. Volte depois de {time}, em {wait}.",
    hours_and_minutes="{hours}h {minutes}min",
    not_allowed="Esta loja não está aceitando perguntas no momento.",
    reference="Pedido {request_id}",
)
