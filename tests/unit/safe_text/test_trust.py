"""Names of source types say whether strangers write them."""

from __future__ import annotations

import pytest

from retrieval_service.domain.safe_text.trust import SourceTrust, is_of_strangers

_STRANGERS = (
    "review Reviews product_reviews productreviews customerReview shopreviews comment question customer-questions "
    "ticket supporttickets forum_threads feedback customer.feedback testimonial testimonials rating productratings "
    "chat livechats ugc qna QnA productqna q_and_a q&a Q-n-A qanda qa product_qa guest_book inquiries complaints "
    "avaliacao avaliação avaliacoes avaliações AVALIAÇÕES avaliacoes_de_clientes comentario comentários "
    "depoimento depoimentos pergunta perguntas opiniao opiniões reclamacao reclamações resenha "
    "resenhas duvidas_de_clientes mensagens discussao conversas "
    "отзыв отзывы Отзывы_покупателей отзывыпокупателей комментарий комментарии вопрос вопросы вопрос-ответ "
    "рецензии жалобы обсуждения сообщения мнения обращения оценки обратная_связь чат чаты форум "
    "otzyv otzyvy otzivy otzyvy-pokupateley kommentariy kommentarii voprosy vopros_otvet retsenzii zhaloby "
    "obsuzhdeniya soobscheniya mneniya ocenki obratnaya-svyaz "
    "posts user_posts community community-answers user_content user_generated userGeneratedContent customer_photos "
    "inbox blog_chat news_ratings elogios "
    "emails customer_email support_requests transcripts call_transcript chatlogs dms trustpilot google_maps otzovik "
    "obzor obzory dialog dialogi pisma vpechatleniya blagodarnosti relato relatos relatos_de_clientes queixa queixas "
    "recados critica criticas bate_papo bate-papo отзовик обзоры диалоги письма впечатления благодарности "
    "page_reviews policy_questions price_comments"
)
_BUSINESS = (
    "product products faq policy article page manual preview product_previews operating_manual chateau catalog "
    "delivery returns blog news conversion_guide integrations товар товары статья доставка страница новости "
    "produto produtos artigo pagina politica entrega conversao relatorio tovary statya dostavka "
    "review_policy reviews-policy reviewpolicy comment_rules community_rules community_guidelines chat_page "
    "question_page message_prices feedback_page ticket_prices politica_de_avaliacoes política-de-comentários "
    "pagina_de_perguntas regras_do_chat правила_отзывов политика_обращений страница_отзывов pravila_otzyvov "
    "ceny_obzorov voprosy_otvety voprosy-i-otvety вопросы-ответы Вопросы_и_ответы perguntas-e-respostas "
    "perguntaserespostas duvidas Dúvidas blog_posts blogposts news_posts apis_manual critical_updates mercado "
    "relatorios post postage"
)


@pytest.mark.parametrize("source_type", _STRANGERS.split())
def test_name_says_that_strangers_write(source_type: str) -> None:
    assert is_of_strangers(source_type)
    assert not SourceTrust().trusts(source_type)
    assert SourceTrust(trusted_types=frozenset([source_type])).trusts(source_type)


@pytest.mark.parametrize("source_type", _BUSINESS.split())
def test_name_of_the_business_s_own_words_is_trusted(source_type: str) -> None:
    assert SourceTrust().trusts(source_type)


@pytest.mark.parametrize(
    "source_type",
    ["faq", "frequently_asked_questions", "perguntas_frequentes", "Частые вопросы", "chastye_voprosy"],
)
def test_questions_that_are_asked_often_are_the_businesss_own(source_type: str) -> None:
    assert not is_of_strangers(source_type)
