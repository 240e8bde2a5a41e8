"""What people say without asking for anything, a phrase a line in the form of `words`; ru, en and pt."""

from __future__ import annotations

from collections.abc import Mapping

GREETINGS: Mapping[str, str] = {
    "ru": """
        привет
        приветик
        приветствую
        здравствуй
        здравствуйте
        доброе утро
        добрый день
        добрый вечер
        доброго дня
        доброго времени суток
        как дела
        как у вас дела
        как ваши дела
        как поживаете
        как настроение
    """,
    "en": """
        hi
        hello
        hey
        good morning
        good day
        good afternoon
        good evening
        how are you
        how are you today
        how are you doing
        how are you doing today
        how is it going
        how s it going
        how do you do
        nice to meet you
    """,
    "pt": """
        oi
        olá
        ola
        bom dia
        boa tarde
        boa noite
        tudo bem
        tudo bom
        tudo bem com você
        como vai
        como vai você
        como você está
        como vocês estão
    """,
}
THANKS: Mapping[str, str] = {
    "ru": """
        спасибо
        спасибо большое
        спасибо огромное
        спасибо вам большое
        спасибо вам огромное
        большое спасибо
        большое вам спасибо
        огромное спасибо
        огромное вам спасибо
        спасибо вам
        спасибо тебе
        спасибки
        спс
        благодарю
        благодарю вас
        очень благодарен
        очень благодарна
        вы очень помогли
        вы мне очень помогли
        очень помогли
    """,
    "en": """
        thanks
        thanks a lot
        thanks a million
        thanks so much
        thanks very much
        many thanks
        thank you
        thank you very much
        thank you so much
        thx
        ty
        cheers
        much appreciated
        i appreciate it
        that was helpful
        that was very helpful
        very helpful
    """,
    "pt": """
        obrigado
        obrigada
        muito obrigado
        muito obrigada
        não obrigado
        não obrigada
        nao obrigado
        nao obrigada
        não muito obrigado
        não muito obrigada
        obg
        valeu
        vlw
        agradeço
        agradecido
        agradecida
        ajudou muito
    """,
}
FAREWELLS: Mapping[str, str] = {
    "ru": """
        пока
        до свидания
        и до свидания
        до встречи
        до завтра
        до скорого
        всего доброго
        всего хорошего
        всего наилучшего
        удачи
        хорошего дня
        хорошего вам дня
        и вам хорошего дня
        хорошего вечера
        хороших выходных
        доброй ночи
        спокойной ночи
        прощайте
        увидимся
    """,
    "en": """
        bye
        bye bye
        bye for now
        and bye
        goodbye
        good bye
        good night
        see you
        see you soon
        see you later
        see ya
        take care
        have a nice day
        have a good day
        have a great day
        have a nice evening
        have a good evening
        have a nice weekend
        have a good weekend
        have a good one
    """,
    "pt": """
        tchau
        e tchau
        até logo
        ate logo
        até mais
        ate mais
        até breve
        ate breve
        até amanhã
        até a próxima
        até à próxima
        adeus
        tenha um bom dia
        tenha um ótimo dia
        tenha uma boa noite
        bom fim de semana
        abraço
        abraços
        um abraço
    """,
}
# "Yes" and "no" answer a question that nobody asked. "Пока нет" is no goodbye.
ACKNOWLEDGEMENTS: Mapping[str, str] = {
    "ru": """
        ок
        ok
        окей
        ладно
        ну ладно
        хорошо
        ну хорошо
        очень хорошо
        все хорошо
        отлично
        все отлично
        прекрасно
        замечательно
        здорово
        супер
        класс
        круто
        идеально
        понятно
        а понятно
        теперь понятно
        все понятно
        ясно
        а ясно
        теперь ясно
        все ясно
        понял
        поняла
        я понял
        я поняла
        все понял
        все поняла
        понял вас
        поняла вас
        принято
        буду знать
        договорились
        ага
        угу
        да
        нет
        да нет
        не надо
        не нужно
        ничего
        больше ничего
        все
        это все
        на этом все
        у меня все
        вопросов нет
        вопросов больше нет
        больше вопросов нет
        пока нет
        пока все
        пока все понятно
        пока все ясно
        пока ничего
        пока не надо
        пока не нужно
    """,
    "en": """
        ok
        okay
        oh ok
        oh okay
        alright
        all right
        fine
        i m fine
        i am fine
        good
        all good
        very good
        great
        that s great
        perfect
        that s perfect
        excellent
        awesome
        amazing
        wonderful
        brilliant
        fantastic
        nice
        cool
        super
        sure
        got it
        i got it
        i see
        oh i see
        ah i see
        understood
        i understand
        noted
        all clear
        that s clear
        makes sense
        that makes sense
        sounds good
        good to know
        no problem
        never mind
        nevermind
        yes
        yeah
        yep
        no
        nope
        nothing else
        nothing more
        no more questions
        no questions
        that s all
        thats all
        that is all
        that s it
        that will be all
        that ll be all
        that s all i need
        that s all i needed
    """,
    "pt": """
        ok
        okay
        certo
        tá certo
        ta certo
        está certo
        tudo certo
        tá bom
        ta bom
        está bem
        está bom
        beleza
        blz
        entendi
        agora entendi
        já entendi
        entendido
        compreendi
        perfeito
        ótimo
        otimo
        muito bom
        que bom
        excelente
        maravilha
        legal
        bacana
        combinado
        claro
        tudo claro
        faz sentido
        sem problemas
        sim
        não tudo bem
        isso mesmo
        só isso
        so isso
        é isso
        é só isso
        e só isso
        e so isso
        era isso
        era só isso
        era so isso
        isso é tudo
        por enquanto é só
        por enquanto é só isso
        por enquanto só isso
        mais nada
        nada mais
    """,
}
# Behind another word it denies that: "não entendi" is no acknowledgement.
ALONE: Mapping[str, str] = {"ru": "", "en": "", "pt": "não\nnao"}
BESIDE: Mapping[str, str] = {
    "ru": """
        пожалуйста
        всем
        вам
        и вам
        вам тоже
        вас
        еще раз
        тогда
        за помощь
        за ответ
        за ответы
        за быстрый ответ
        за подробный ответ
        за информацию
        за совет
        за советы
        за подсказку
        за консультацию
        за разъяснение
        за разъяснения
        за объяснение
        за внимание
        за все
    """,
    "en": """
        please
        there
        all
        everyone
        then
        again
        you too
        for your help
        for the help
        for your time
        for the answer
        for your answer
        for the answers
        for the reply
        for your reply
        for the quick reply
        for the info
        for the information
        for letting me know
        for everything
    """,
    "pt": """
        por favor
        pessoal
        a todos
        então
        mesmo
        de novo
        novamente
        e você
        e vocês
        para você também
        pela ajuda
        pela sua ajuda
        pela resposta
        pela sua resposta
        pelas respostas
        pela atenção
        pela sua atenção
        pela informação
        pelas informações
        pela dica
        pelas dicas
        pelo atendimento
        pelo retorno
        por tudo
    """,
}
WISHES_FOR_A_HUMAN: Mapping[str, str] = {
    "ru": """
        оператор
        оператора
        позовите оператора
        соедините с оператором
        хочу поговорить с человеком
        хочу поговорить с оператором
        позовите человека
        нужен оператор
        нужен человек
        нужен живой человек
        живой человек
    """,
    "en": """
        human
        operator
        agent
        talk to a human
        talk to a person
        speak to a human
        i want to talk to a person
        i want to talk to a human
        i want to speak to a human
        i want to speak to an operator
        can i talk to a human
        can i speak to someone
        real person
    """,
    "pt": """
        atendente
        humano
        falar com atendente
        falar com um atendente
        quero falar com um atendente
        quero falar com uma pessoa
        quero falar com um humano
        quero um atendente
        atendimento humano
    """,
}
BOT_QUESTIONS: Mapping[str, str] = {
    "ru": """
        ты бот
        вы бот
        это бот
        ты робот
        вы робот
        это робот
        ты человек
        вы человек
    """,
    "en": """
        are you a bot
        are you a robot
        are you human
        are you a human
        are you a real person
        are you real
        is this a bot
        is this a robot
        am i talking to a bot
    """,
    "pt": """
        você é um robô
        você é um bot
        você é robô
        você é humano
        você é uma pessoa
        é um robô
        isso é um robô
    """,
}
