"""What types do not tell: how some functions are called, and why some are not.

A recipe gets a text and returns what is to be run. A reason says who writes what the function reads, where that is
no stranger.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine, Hashable, Mapping
from functools import cache, partial
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

import aiohttp.web
import aiojobs
import grpc.aio
from google.protobuf.message import Message
from kladez.v1 import document_service_pb2
from openai import BaseModel

from retrieval_service import errors
from retrieval_service.api.paging import PageTokens
from retrieval_service.client.failures import CallFailed
from retrieval_service.config import Settings as ServiceSettings
from retrieval_service.domain.answering import citations
from retrieval_service.domain.answering.checked_stream import CheckedText
from retrieval_service.domain.answering.file_citations import FileCitations
from retrieval_service.domain.answering.grounding import Grounding
from retrieval_service.domain.documents import source_templates
from retrieval_service.domain.documents.shop import parse_shop
from retrieval_service.domain.documents.shop_rows import read_rows
from retrieval_service.domain.documents.source_rows import RowRenderer
from retrieval_service.domain.documents.sources import Source
from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.indexing import chunking, piece_counting
from retrieval_service.domain.retrieval import filters, sections, vocabulary
from retrieval_service.providers.local.e5_file import Vocabulary
from retrieval_service.providers.local.unigram import Unigram
from retrieval_service.providers.local.wordpiece import WordPiece
from retrieval_service.providers.openai.files.filters import translation
from retrieval_service.services.sync.drift_repair import Mender
from retrieval_service.stores.database import Database
from retrieval_service.text import languages
from retrieval_service.text.lexicon.wording import Wording, wording
from tests.text_trials.building import Builder, filled
from tests.text_trials.finding import Finder, Prepare, Thunk, streamed
from widget_gateway import access, frames, websocket
from widget_gateway.config import Settings as GatewaySettings

_DOMAIN = "retrieval_service.domain"
_OPENAI = "retrieval_service.providers.openai"
_SERVICES = "retrieval_service.services"
_API = "retrieval_service.api"
_TEXT = "retrieval_service.text"

_KEY = b"a key of the test"
_POLICY = chunking.ChunkPolicy(capacity=200, overlap=40, unit=lambda text: 1 + len(text) // 4)
_MOST_TOKENS = 256


def finder() -> Finder:
    return Finder(builder=Builder(made=MADE), recipes=RECIPES, reasons=REASONS, process_types=PROCESS_TYPES)


def _on(act: Callable[[str], object]) -> Prepare:
    return lambda text: lambda: act(text)


@cache
def _word_piece() -> WordPiece:
    letters = [chr(code) for code in range(0x21, 0x7F)]
    words = ["cup", "the", *letters, *(f"##{letter}" for letter in letters), "##up"]
    return WordPiece(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *words])


@cache
def _unigram() -> Unigram:
    """Its longest piece is as long as the model's, and one character becomes eighteen, as U+FDFA does."""
    letters = [chr(code) for code in range(0x21, 0x7F)]
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "\u2581", *letters, "\u2581a", "aa", "a" * 16, "<mask>"]
    vocabulary = Vocabulary(
        pieces=tuple(pieces),
        scores=[-float(place) for place in range(len(pieces))],
        start=0,
        end=2,
        padding=1,
        unknown=3,
        characters={0xFDFA: "a b c d e f g h i ", 0xA0: " "},
    )
    return Unigram(vocabulary)


@cache
def _template() -> Any:
    return source_templates.compiled("{{ text }}{% for word in text %}{{ word | lower | trim }}{% endfor %}")


def _shop(text: str) -> bytes:
    """The text as a description, and as the names and descriptions of many rows."""
    pieces = [text[at : at + 64] for at in range(0, len(text), 64)]
    rows = [{"id": f"p{place}", "name": piece, "description": piece} for place, piece in enumerate(pieces)]
    faq = [{"question": piece, "answer": piece} for piece in pieces]
    whole = {"title": "Delivery", "content": text}
    return json.dumps({"products": rows, "faq": faq, "policies": [whole]}).encode()


def _asked(text: str) -> str:
    return json.dumps({"t": "ask", "id": "a" * 22, "q": text})


def _grounded(text: str) -> Thunk:
    """Sources and an answer that says the same, in pieces."""
    builder = Builder(made=MADE)
    fragments = builder.arguments(Grounding.__init__, text)["fragments"]

    def work() -> None:
        grounding = Grounding(fragments)
        for at in range(0, len(text), 6):
            grounding.take(citations.Delta(text=text[at : at + 6]))
        grounding.finish()

    return work


def _file_cited(text: str) -> Thunk:
    return lambda: streamed(FileCitations({}, Builder(made=MADE).build(CheckedText, "en")), text, feed="text")


def _copied(text: str) -> Thunk:
    one = Builder(made=MADE).build(Fragment, text)
    return lambda: sections.are_copies(one, one)


def _conditions(text: str) -> filters.Conditions:
    pieces = [text[at : at + 64] for at in range(0, len(text), 64)]
    metadata = [{"key": piece, "any": pieces[:9]} for piece in pieces]
    return filters.Conditions(source_types=pieces, tags=pieces, metadata=metadata)


def _rendered(text: str) -> Thunk:
    """The source is the operator's; its rows are of strangers."""
    renderer = RowRenderer(Builder(made=MADE).build(Source, "{{ text }}"))
    pieces = [text, *(text[at : at + 64] for at in range(0, len(text), 64))]
    return lambda: renderer.render([{"text": piece, "{{ text }}": piece} for piece in pieces])


def _page_token(text: str) -> Thunk:
    request = document_service_pb2.ListDocumentsRequest()
    return lambda: PageTokens(_KEY).read(text, request, "tenant")


def _written(text: str) -> Thunk:
    request = filled(document_service_pb2.ListDocumentsRequest(), text)
    return lambda: PageTokens(_KEY).write([text], request, text)


_SIGNER = access.Signer("a secret of the test", lifetime_seconds=60)

MADE: Mapping[Any, Callable[[str], Any]] = {
    re.Pattern: lambda _: re.compile(r"(?<!\w)\w++@"),
    # A marker's numbers are the only match that is handed around.
    re.Match: lambda text: re.compile(r"(?P<numbers>[\s\S]*)").match(text),
    Hashable: lambda text: text,
    Message: lambda text: filled(document_service_pb2.Document(), text),
    IPv4Network: lambda _: ip_network("10.0.0.0/8"),
    chunking.ChunkPolicy: lambda _: _POLICY,
    errors.KladezError: lambda text: errors.Invalid([errors.Violation("content", text)]),
    CallFailed: lambda text: CallFailed(text, code="UNKNOWN", reason=text),
    WordPiece: lambda _: _word_piece(),
    Unigram: lambda _: _unigram(),
    Wording: lambda text: wording([text], "en"),
}

RECIPES: Mapping[str, Prepare] = {
    f"{_DOMAIN}.indexing.chunking.split": _on(lambda text: chunking.split(text, chunking.MARKDOWN, _POLICY)),
    f"{_DOMAIN}.indexing.piece_counting.local_units": _on(
        lambda text: piece_counting.local_units(_word_piece().count)(text)
    ),
    f"{_DOMAIN}.indexing.piece_counting.multilingual_units": _on(
        lambda text: piece_counting.multilingual_units(_unigram().count)(text)
    ),
    f"{_TEXT}.languages.character_script": _on(lambda text: languages.character_script(text[:1])),
    f"{_DOMAIN}.retrieval.sections.are_copies": _copied,
    f"{_DOMAIN}.documents.shop.parse_shop": lambda text: partial(
        parse_shop, _shop(text), detect=lambda _: "en"
    ),
    f"{_DOMAIN}.documents.shop_rows.read_rows": _on(lambda text: read_rows(text.encode())),
    f"{_DOMAIN}.documents.source_rows.RowRenderer.render": _rendered,
    f"{_DOMAIN}.documents.source_templates.rendered": _on(
        lambda text: source_templates.rendered(_template(), {"text": text})
    ),
    f"{_DOMAIN}.retrieval.vocabulary.vocabulary": _on(
        lambda text: vocabulary.vocabulary(vocabulary.counted([text]), ("en",))
    ),
    f"{_DOMAIN}.answering.grounding.Grounding.take": _grounded,
    f"{_DOMAIN}.answering.file_citations.FileCitations.text": _file_cited,
    f"{_OPENAI}.files.filters.translation": lambda text: partial(translation, _conditions(text)),
    f"{_API}.paging.PageTokens.read": _page_token,
    f"{_API}.paging.PageTokens.write": _written,
    "widget_gateway.frames.parse": _on(lambda text: frames.parse(_asked(text))),
    "widget_gateway.websocket.parsed": _on(websocket.parsed),
    "widget_gateway.access.Signer.address_hash": _on(_SIGNER.address_hash),
    "widget_gateway.access.Signer.check": _on(
        lambda text: _SIGNER.check(text, session_id=text, tenant_id="t", unix_time=0)
    ),
}

_CHECKED = "gets only templates in which source_templates.fault found nothing"
_ROWS = "reads rows of our own tables, in a shape that we wrote"
_OPERATOR = "reads a file or a setting of the operator"
_VECTORS = "reads vectors and ids"

# What belongs to a process and not to a text; who takes one of these is a shell.
PROCESS_TYPES = frozenset[type](
    {
        *(Path, BaseModel, Coroutine, Database, GatewaySettings, Mender, ServiceSettings),
        *(aiohttp.web.Application, aiohttp.web.AppRunner, aiohttp.web.Request, aiojobs.Scheduler),
        *(grpc.aio.Server, grpc.aio.Channel),
    }
)

_LOCAL = "retrieval_service.providers.local"
_WEIGHTS = "reads weights of a file whose hash was verified"

REASONS: Mapping[str, str] = {
    f"{_LOCAL}.choosing.chosen": _OPERATOR,
    f"{_LOCAL}.choosing.chunk_policy": _OPERATOR,
    f"{_LOCAL}.composite.compose": _VECTORS,
    f"{_LOCAL}.e5.dequantised": _WEIGHTS,
    f"{_LOCAL}.e5.repacked": _WEIGHTS,
    f"{_LOCAL}.graphs.encode": "writes a graph for developers",
    f"{_LOCAL}.model_files.has": _OPERATOR,
    f"{_LOCAL}.model_files.locate": _OPERATOR,
    f"{_DOMAIN}.operations.processes.Difference.decides": _OPERATOR,
    f"{_DOMAIN}.operations.processes.knows_space_of": _OPERATOR,
    f"{_SERVICES}.answering.log.quota_spent": _ROWS,
    f"{_SERVICES}.operations.backup_files.target_of": _OPERATOR,
    f"{_SERVICES}.indexing.plans.plan_of": _VECTORS,
    f"{_SERVICES}.indexing.plans_in_child.Assembly.plan": _VECTORS,
    f"{_SERVICES}.indexing.embedding_steps.by_chunk": _VECTORS,
    f"{_API}.answers.asked": "reads a request as fields.text does, for the call that it belongs to",
    f"{_API}.answers.shown_answer": _ROWS,
    f"{_API}.messages.answer_messages.answer": _ROWS,
    f"{_API}.messages.insight_messages.chat_log": _ROWS,
    f"{_API}.messages.insight_messages.example": _ROWS,
    f"{_API}.messages.insight_messages.shown_group": _ROWS,
    f"{_API}.access.gate.begin": "reads the call's own metadata",
    f"{_API}.access.gate.gone": "reads the call's own metadata",
    f"{_DOMAIN}.indexing.calibration.calibrated": _VECTORS,
    f"{_DOMAIN}.indexing.calibration.from_json": _ROWS,
    f"{_DOMAIN}.indexing.calibration.scale_of": _VECTORS,
    f"{_DOMAIN}.indexing.costs.price_table": _OPERATOR,
    f"{_DOMAIN}.safe_text.held_text.HeldText.wait_for": "keeps a pattern; SafeText and CitationStream feed it",
    f"{_DOMAIN}.safe_text.citation_markers.numbers_of": "reads one marker, at most 143 characters",
    f"{_DOMAIN}.documents.source_rows.RowRenderer": _CHECKED,
    f"{_SERVICES}.sources.declarations.missing": _CHECKED,
    f"{_DOMAIN}.documents.source_templates.columns_of": _CHECKED,
    f"{_DOMAIN}.documents.source_templates.compiled": _CHECKED,
    f"{_DOMAIN}.documents.source_templates.RowEnvironment.call_binop": _CHECKED,
    f"{_DOMAIN}.documents.source_templates.RowEnvironment.call_unop": _CHECKED,
    f"{_OPENAI}.client.open_client": _OPERATOR,
    f"{_LOCAL}.build_e5_centres.build": "reads our own questions, once, for whoever builds the file",
    f"{_SERVICES}.documents.editing.remote_line": "counts ids",
    f"{_SERVICES}.indexing.plans.pooled": _VECTORS,
    f"{_SERVICES}.retrieval.search.rank": _VECTORS,
    f"{_SERVICES}.indexing.index_writer.ended": _VECTORS,
    f"{_SERVICES}.indexing.index_writer.is_end": _VECTORS,
    f"{_SERVICES}.indexing.index_writer.of_jobs": _VECTORS,
    f"{_SERVICES}.indexing.index_writer.portions": _VECTORS,
    f"{_SERVICES}.indexing.index_writer.tell": _VECTORS,
    f"{_API}.messages.answer_messages.citations": _ROWS,
    f"{_API}.messages.tenant_messages.api_key": _ROWS,
    f"{_API}.messages.document_messages.document": _ROWS,
    f"{_API}.messages.index_job_messages.index_job": _ROWS,
    f"{_API}.access.gate.log_call": "writes a line about a call",
    f"{_API}.access.gate.parse": "protobuf's own parser",
    f"{_API}.spaces.message": _ROWS,
    f"{_API}.spaces.progress": _ROWS,
    f"{_API}.messages.sync_messages.log_entry": _ROWS,
    f"{_API}.messages.sync_messages.sync_job": _ROWS,
    "widget_gateway.answers.log_failure": "writes a line about a call",
    "widget_gateway.assets.load": _OPERATOR,
    "widget_gateway.assets.read": _OPERATOR,
    "widget_gateway.catalogue.help_text": _OPERATOR,
    "widget_gateway.catalogue.product": _OPERATOR,
    "widget_gateway.demo.icon": _OPERATOR,
    "widget_gateway.gateway.secret_of": _OPERATOR,
}
