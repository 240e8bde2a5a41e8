"""Whether what answers a question stands whole in what a model is given for it; a loopback model is asked.

    python -m benchmarks.answers.prompts [--split dev] [--language pt] [--trade bank] [--set FOLDER]

A section is what stands below a heading of a document up to the next one; it is whole when every line of it is in the
prompt. Follow-ups are left out: they are put into other words first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import uvloop
from kladez.v1 import document_service_pb2 as documents_pb
from pydantic import SecretStr

from benchmarks import command, installation
from benchmarks.answers import asking, running
from benchmarks.answers.counting import Share
from benchmarks.answers.judging import normal, shows
from benchmarks.answers.sets import AnswerSet, Question
from benchmarks.processes import running_service
from retrieval_service.client import Client
from retrieval_service.domain.documents import front_matter
from tests.fakes.openai import FakeOpenAI, running_openai

MODEL = "/chat/completions"
PAGE = 500
_HEADING = re.compile(r"^#{1,6} .*$", re.MULTILINE)
_FRAGMENTS = re.compile(r"<fragment .*</fragment>", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Prompted:
    """What a model was given for a question, and whether a right section is whole in it."""

    set_name: str
    is_given: bool
    is_whole: bool
    characters: int


async def measured(chosen: Sequence[AnswerSet]) -> list[Prompted]:
    async with installation.temporary_postgres() as dsn, running_openai() as model:
        settings = installation.settings(
            workers=1, answerer="chat", openai_base_url=model.base_url, openai_api_key=SecretStr("fake")
        )
        async with running_service(dsn, synthetic=False, settings=settings) as operator:
            return [prompted for one in chosen for prompted in await prompted_of(operator, model, one)]


async def prompted_of(operator: Client, model: FakeOpenAI, one: AnswerSet) -> list[Prompted]:
    client = await asking.tenant_of(operator, one)
    contents = await contents_of(client)
    asked = [question for question in one.questions if question.expected and not question.previous]
    return [
        judged(one.name, question, await prompt_of(client, model, one, question), contents)
        for question in asked
    ]


async def contents_of(client: Client) -> Mapping[str, str]:
    """The texts of all documents, by external id."""
    keys = [
        documents_pb.DocumentKey(source_type=one.source_type, external_id=one.external_id)
        for one in await listed(client)
    ]
    requests = [documents_pb.GetDocumentRequest(key=key) for key in keys]
    return {one.key.external_id: (await client.get_document(one)).document.content for one in requests}


async def listed(client: Client) -> list[documents_pb.Document]:
    request = documents_pb.ListDocumentsRequest(page_size=PAGE)
    found: list[documents_pb.Document] = []
    while True:
        page = await client.list_documents(request)
        found += page.documents
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def prompt_of(client: Client, model: FakeOpenAI, one: AnswerSet, question: Question) -> str:
    """The fragments; "" when the model was not asked."""
    model.journal.exchanges.clear()
    await asking.ask(client, one, question)
    bodies = [exchange.body for exchange in model.journal.to(MODEL)]
    texts = [str(message["content"]) for body in bodies for message in body["messages"]]
    return "".join(found[0] for text in texts if (found := _FRAGMENTS.search(text)))


def judged(name: str, question: Question, prompt: str, contents: Mapping[str, str]) -> Prompted:
    lines = normal(prompt)
    right = [section for one in question.expected for section in sections(contents.get(one, ""))]
    telling = [section for section in right if question.contains and shows(section, question.contains)]
    is_whole = any(
        all(normal(line) in lines for line in section.splitlines()) for section in telling or right
    )
    return Prompted(
        set_name=name, is_given=bool(prompt), is_whole=is_whole and bool(prompt), characters=len(prompt)
    )


def sections(content: str) -> Iterator[str]:
    """Without headings; at least one."""
    body = content[front_matter.end_of(content) :]
    yield from filter(str.strip, _HEADING.split(body))


def summary(prompted: Sequence[Prompted]) -> str:
    """One line a set, then all."""
    names = list(dict.fromkeys(one.set_name for one in prompted))
    groups = {name: [one for one in prompted if one.set_name == name] for name in names}
    return "\n".join(
        [HEADER, *(_row(name, several) for name, several in {**groups, "all": prompted}.items())]
    )


HEADER = (
    "| set | the model is asked | right section whole | of those asked | prompt, median characters |\n"
    "|---|---|---|---|---|"
)


def _row(name: str, several: Sequence[Prompted]) -> str:
    given = [one for one in several if one.is_given]
    whole = sum(one.is_whole for one in several)
    shares = [Share(part=len(given), whole=len(several)), Share(part=whole, whole=len(several))]
    shares.append(Share(part=whole, whole=len(given)))
    median = sorted(one.characters for one in given)[len(given) // 2] if given else 0
    return f"| {name} | {' | '.join(share.text for share in shares)} | {median} |"


if __name__ == "__main__":
    command.hush()
    print(summary(uvloop.run(measured(running.chosen_sets(running.parsed())))))
