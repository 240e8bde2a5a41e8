"""What the benchmark of answers counts as right, on outcomes that are made up and known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kladez.v1 import answer_service_pb2 as answers_pb

from benchmarks import installation
from benchmarks.answers import asking, counting, judging, sets, showing, verdicts
from benchmarks.answers.judging import Asked, Ending
from benchmarks.answers.sets import Kind, Question, Split, WrongSet
from benchmarks.answers.verdicts import WrongVerdicts
from retrieval_service.cli.commands.search_and_ask import Mode

RETURNS, PARCELS, HOURS = "returns", "parcels", "hours"


def ranked(hybrid: int | None, semantic: int | None = None, full_text: int | None = None) -> dict[str, Any]:
    return {"ranks": {Mode.HYBRID: hybrid, Mode.SEMANTIC: semantic, Mode.FULL_TEXT: full_text}}


def question(kind: Kind = Kind.PLAIN, **fields: Any) -> Question:
    expected = frozenset({RETURNS}) if kind.is_answerable else frozenset[str]()
    return Question(
        **{"id": "q", "language": "en", "kind": kind, "text": "?", "expected": expected, **fields}
    )


def asked(kind: Kind = Kind.PLAIN, ending: Ending = Ending.ANSWERED, **fields: Any) -> Asked:
    labels = {
        name: fields.pop(name)
        for name in ("contains", "avoided", "parts", "expected", "split")
        if name in fields
    }
    given = {"text": "Within 30 days. [1]", "language": "en", "cited": [RETURNS], "answerer": "extractive"}
    return Asked(
        **{
            "set_name": "en/shop",
            "set_language": "en",
            "question": question(kind, **labels),
            "ending": ending,
            **given,
            **fields,
        }
    )


# --- the same words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Цена: 5 490 ₽", "5490"),
        ("Price £5,490.00 now", "5490"),
        ("R$ 5.490,00 à vista", "5 490"),
        ("R$ 32,50", "32.5"),
        ("R$32.50", "32,50"),
        ("R$ 32,50", "R$32,50"),
        ("It is **14** [1] days", "14 days"),
        ("1 250 000 in all", "1.250.000"),
        ("Ёмкость 3000", "емкость 3 000"),
        ("4–6 weeks", "4-6 WEEKS"),
        ("10 % off", "10%"),
        ("v3.1.24", "3.1.24"),
        ("Ends in 0399.", "0399"),
        ("Sizes:\n95\n105", "105"),
        ("There are 3. 5490 is the price", "5490"),
        ("Within 14\ndays", "14 days"),
    ],
)
def test_numbers_are_the_same_however_they_are_written(text: str, words: str) -> None:
    assert judging.shows(text, words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("within 190 days", "90 days"),
        ("costs 905", "90"),
        ("costs 90.5", "90"),
        ("costs 12.90", "90"),
        ("costs 5 490", "490"),
        ("costs 1,900", "900"),
        ("14 or 15 days", "14 days"),
        ("32.55", "32.5"),
        ("room 5, 490 m", "5490"),
        ("Sizes:\n95\n105", "95105"),
        ("Step 3.\n5490", "3.5490"),
    ],
)
def test_part_of_a_number_is_not_the_number(text: str, words: str) -> None:
    assert not judging.shows(text, words)


# --- what is good


def test_good_answer_cites_a_right_document_first_and_shows_the_words() -> None:
    good = asked(contains="30 DAYS", cited=[RETURNS, HOURS])
    assert good.is_good
    assert not replace(good, cited=[HOURS, RETURNS]).is_good
    assert replace(good, cited=[HOURS, RETURNS]).is_answered_right
    assert not replace(good, text="Within 130 days.").is_good
    assert not replace(good, cited=[]).is_good
    assert not asked(contains="30 days", avoided="within").is_good


def test_nothing_is_not_right_whatever_it_cites() -> None:
    silent = asked(ending=Ending.NOTHING, contains="30 days", **ranked(5))
    assert not silent.is_answered_right
    assert not silent.is_good
    assert silent.is_lost
    assert not asked(ending=Ending.NOTHING, **ranked(6)).is_lost
    assert not asked(**ranked(1)).is_lost


def test_half_of_two_questions_is_not_good() -> None:
    both = {
        "expected": frozenset({RETURNS, PARCELS}),
        "parts": [frozenset({RETURNS}), frozenset({PARCELS, HOURS})],
    }
    half = asked(Kind.TWO_IN_ONE, contains="30 days", **both)
    assert half.is_answered_right
    assert not half.cites_every_part
    assert not half.is_good
    whole = replace(half, cited=[RETURNS, PARCELS])
    assert whole.cites_every_part
    assert whole.is_good
    assert not replace(whole, ending=Ending.NOTHING).cites_every_part


def test_every_finish_reason_of_the_contract_is_an_ending() -> None:
    reasons = [one for one in answers_pb.FinishReason.values() if one != answers_pb.FINISH_REASON_UNSPECIFIED]
    assert [asking.ending_of(one) for one in reasons] == list(Ending)


# --- counts

OUTCOMES = [
    asked(contains="30 days", **ranked(1, 2, None)),
    asked(contains="31 days", **ranked(1, 1, 1)),
    asked(cited=[HOURS, RETURNS], **ranked(5, 6, 1)),
    asked(cited=[HOURS], contains="30 days", **ranked(6, 31, 2)),
    asked(Kind.TYPO, Ending.NOTHING, cited=[], contains="30 days", language="pt", **ranked(3, None, 3)),
    asked(Kind.FOLLOW_UP, contains="30 days"),
    asked(
        Kind.TWO_IN_ONE,
        expected=frozenset({RETURNS, PARCELS}),
        parts=[frozenset({RETURNS}), frozenset({PARCELS})],
        **ranked(2, 2, 2),
    ),
    asked(Kind.NEAR_MISS),
    asked(Kind.NEAR_MISS, Ending.NOTHING, cited=[]),
    asked(Kind.NEAR_MISS, Ending.PLEASANTRY, cited=[]),
    asked(Kind.OTHER_TRADE, Ending.NOTHING, cited=[], set_language="ru", language="ru"),
    asked(Kind.OTHER_TRADE, Ending.ANSWERED),
]
COUNTED = {
    "right document first, hybrid": (2, 6),
    "right document in the first 5, hybrid": (5, 6),
    "right document first, semantic": (1, 6),
    "right document in the first 5, semantic": (3, 6),
    "right document first, full-text": (2, 6),
    "right document in the first 5, full-text": (5, 6),
    "answered, cites a right document": (5, 7),
    "good by rule, as an answer or as what perhaps helps": (2, 5),
    "of the good ones, stated as an answer": (2, 2),
    "in a FAQ's own words, stated as an answer": (0, 0),
    "“nothing”, though a right document is in the first 5": (1, 6),
    "two in one: both parts cited": (0, 1),
    "near miss stated as a fact": (1, 3),
    "unanswerable stated as a fact": (2, 5),
    "other trade ended in “nothing”": (1, 2),
    "wrong language": (2, 12),
}


def test_known_outcomes_are_counted() -> None:
    counted = counting.figures(OUTCOMES)
    assert {measure.name: (share.part, share.whole) for measure, share in counted.items()} == COUNTED


def test_what_perhaps_helps_is_good_and_no_statement() -> None:
    offered = [
        asked(Kind.PARAPHRASE, Ending.NOT_SURE, contains="30 days"),
        asked(Kind.OWN_WORDS, Ending.NOT_SURE, cited=[RETURNS, HOURS], contains="30 days"),
        asked(Kind.OWN_WORDS, Ending.NOT_SURE, cited=[HOURS, RETURNS], contains="30 days"),
        asked(Kind.NEAR_MISS, Ending.NOT_SURE),
    ]
    shares = [
        measure.of([*offered, asked(Kind.OWN_WORDS, contains="30 days")])
        for measure in (counting.GOOD, counting.STATED, counting.OWN_WORDS, counting.UNFOUNDED)
    ]
    assert [(share.part, share.whole) for share in shares] == [(3, 4), (1, 3), (1, 3), (0, 1)]


def test_search_by_words_is_no_semantic_one() -> None:
    by_words = asked(ranks={Mode.HYBRID: 1, Mode.FULL_TEXT: 1})
    counted = counting.figures([*OUTCOMES, by_words])
    assert [share.whole for measure, share in counted.items() if measure in counting.SEARCHES] == [
        7,
        7,
        6,
        6,
        7,
        7,
    ]


def test_groups_hold_everything_once() -> None:
    languages = counting.by_language(OUTCOMES)
    assert {name: len(group) for name, group in languages.items()} == {"all": 12, "en": 11, "ru": 1}
    kinds = counting.by_kind(OUTCOMES)
    assert sum(map(len, kinds.values())) == len(OUTCOMES)
    assert list(kinds) == [kind for kind in Kind if kind in kinds]
    assert counting.endings(OUTCOMES) == {
        Ending.ANSWERED: 8,
        Ending.CUT: 0,
        Ending.NOTHING: 3,
        Ending.REFUSED_BY_MODEL: 0,
        Ending.PLEASANTRY: 1,
        Ending.NOT_SURE: 0,
    }


def test_language_that_nobody_said_is_not_wrong() -> None:
    one = asked()
    unsaid = replace(one, question=replace(one.question, language=""))
    assert counting.WRONG_LANGUAGE.of([unsaid]).whole == 0


def test_tables_show_the_counts_in_one_line_each() -> None:
    shown = showing.summary(OUTCOMES)
    assert "| ↑ good by rule, as an answer or as what perhaps helps | 2/5 (0.40) | 2/5 (0.40) | – |" in shown
    assert "| ↓ near miss stated as a fact | 1/3 (0.33) | 1/3 (0.33) | – |" in shown
    assert "| nothing | 1 | 1 | 1 |" in shown
    assert showing.table(["a"], [["b | c\nd"]]).splitlines()[-1] == "| b \\| c<br>d |"


def test_held_half_is_counted_and_not_shown() -> None:
    secret = asked(text="SECRET", split=Split.HELD)
    both = [*OUTCOMES, secret]
    assert len(showing.may_be_read(both, open_held=False)) == len(OUTCOMES)
    assert secret in showing.may_be_read(both, open_held=True)
    document = showing.document(both, showing.may_be_read(both, open_held=False))
    assert "SECRET" not in json.dumps(document)
    figures = document["figures"]
    assert isinstance(figures, dict)
    assert figures["all"]["answered, cites a right document"] == {"part": 6, "whole": 8}


def test_list_of_what_is_wrong_leaves_the_right_out() -> None:
    shown = showing.wrong(
        [replace(one, text=f"30 days, text{number}") for number, one in enumerate(OUTCOMES)]
    )
    assert [number for number in range(len(OUTCOMES)) if f", text{number} |" in shown] == [1, 3, 4, 6, 7, 11]


# --- a person's verdicts


def test_verdicts_are_counted_as_they_were_written(tmp_path: Path) -> None:
    odd = replace(OUTCOMES[0], text="a | b\n| good | c \\")
    empty = verdicts.to_read([odd, *OUTCOMES[1:]])
    assert empty.count("\n| nothing | en/shop/q |") == 3
    written = iter(["good", "Partial", "no", "good", "good", "no", "good", "no", "good"])
    lines = [
        f"| {next(written)} {line[3:]}" if line.startswith("|  |") else line for line in empty.splitlines()
    ]
    file = tmp_path / "read.md"
    file.write_text("\n".join(lines), encoding="utf-8")
    counted = verdicts.summary(verdicts.read([file]))
    assert "| all answerable | 7 | 3 (0.43) | 1 (0.14) | 2 (0.29) | 1 (0.14) |" in counted
    assert "| near-miss | 3 | 1 (0.33) | 0 (0.00) | 1 (0.33) | 1 (0.33) |" in counted
    assert "| typo | 1 | 0 (0.00) | 0 (0.00) | 0 (0.00) | 1 (1.00) |" in counted


def test_missing_verdict_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "read.md"
    file.write_text(verdicts.to_read(OUTCOMES[:1]), encoding="utf-8")
    with pytest.raises(WrongVerdicts, match=f"{file}, line 7"):
        verdicts.read([file])
    file.write_text("nothing here", encoding="utf-8")
    with pytest.raises(WrongVerdicts, match="no table"):
        verdicts.read([file])


# --- sets of others


def lines(path: Path, *rows: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")


def foreign(**fields: Any) -> dict[str, Any]:
    return {"id": "1", "kind": "short", "question": "Frete?", "previous": None, "documents": ["a"], **fields}


def test_foreign_set_is_read_with_our_kinds(tmp_path: Path) -> None:
    lines(
        tmp_path / "pt-loja" / "questions.jsonl",
        foreign(),
        foreign(id="2", kind="near", documents=[]),
        foreign(id="3", kind="followup", previous="E o frete?"),
        foreign(id="4", kind="cross"),
    )
    one = sets.in_folder(tmp_path / "pt-loja")
    assert (one.name, one.language) == ("pt-loja", "pt")
    assert [question.kind for question in one.questions] == [
        Kind.SHORT,
        Kind.NEAR_MISS,
        Kind.FOLLOW_UP,
        Kind.CROSS_LINGUAL,
    ]
    assert [question.language for question in one.questions] == ["pt", "pt", "pt", ""]
    assert one.questions[2].previous == ["E o frete?"]


def failed(**fields: Any) -> dict[str, Any]:
    return {
        "corpus": "mini/en",
        "kind": "typos",
        "language": "en",
        "question": "gft?",
        "right": ["wrap"],
        "must_contain": "4 dollars",
        "must_not_contain": "",
        **fields,
    }


def test_questions_that_failed_before_are_those_of_the_folder(tmp_path: Path) -> None:
    lines(
        tmp_path / "mini" / "failures.jsonl",
        failed(),
        failed(right="refuse", must_contain="don't know"),
        failed(kind="two-in-one: half", right=["a", "b"], must_not_contain="c"),
        failed(corpus="mini/ru", language="ru"),
    )
    (tmp_path / "mini" / "en").mkdir()
    one = sets.in_folder(tmp_path / "mini" / "en")
    assert [question.kind for question in one.questions] == [Kind.FAILED, Kind.NEAR_MISS, Kind.TWO_IN_ONE]
    assert [question.contains for question in one.questions] == ["4 dollars", "", "4 dollars"]
    assert one.questions[2].parts == [frozenset({"a"}), frozenset({"b"})]
    assert one.questions[2].avoided == "c"


def test_folder_without_a_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongSet, match=r"questions\.json"):
        sets.in_folder(tmp_path)
    lines(tmp_path / "loja" / "questions.jsonl", foreign())
    with pytest.raises(WrongSet, match="must begin with"):
        sets.in_folder(tmp_path / "loja")


# --- which service is asked


def test_environment_chooses_the_model_only_when_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("KLADEZ_ANSWERER", "chat")
    fixed = installation.chosen_settings(by_environment=False)
    assert (fixed.embedder, fixed.answerer, fixed.openai_base_url) == ("local", "extractive", None)
    chosen = installation.chosen_settings(by_environment=True)
    assert (chosen.answerer, chosen.openai_base_url) == ("chat", "http://127.0.0.1:9/v1")
    assert (chosen.workers, chosen.port, chosen.schedule_rebuild) == (1, 0, "")
