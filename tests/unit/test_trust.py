"""Names of source types say whether strangers write them."""

from __future__ import annotations

import pytest

from retrieval_service.domain.trust import SourceTrust, is_of_strangers

_STRANGERS = (
    "review Reviews product_reviews productreviews customerReview shopreviews comment question customer-questions "
    "ticket supporttickets forum_threads feedback customer.feedback testimonial testimonials rating productratings "
    "chat livechats ugc qna QnA productqna q_and_a q&a Q-n-A qanda qa product_qa guest_book inquiries complaints "
    "avaliacao avaliação avaliacoes avaliações AVALIAÇÕES avaliacoes_de_clientes comentario comentários "
    "depoimento depoimentos pergunta perguntas perguntaserespostas opiniao opiniões reclamacao reclamações resenha "
    "resenhas duvidas mensagens discussao conversas "
    "отзыв отзывы Отзывы_покупателей отзывыпокупателей комментарий комментарии вопрос вопросы вопрос-ответ "
    "рецензии жалобы обсуждения сообщения мнения обращения оценки обратная_связь чат чаты форум "
    "otzyv otzyvy otzivy otzyvy-pokupateley kommentariy kommentarii voprosy vopros_otvet retsenzii zhaloby "
    "obsuzhdeniya soobscheniya mneniya ocenki obratnaya-svyaz"
)
_BUSINESS = (
    "product products faq policy article page manual preview product_previews operating_manual chateau catalog "
    "delivery returns blog news conversion_guide integrations товар товары статья доставка страница новости "
    "produto produtos artigo pagina politica entrega conversao relatorio tovary statya dostavka"
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
