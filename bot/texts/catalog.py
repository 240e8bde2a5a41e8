"""All texts of the bot. A language that lacks one fails at import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Texts:
    """The texts of one language. Names in braces are for `str.format`."""

    code: str
    own_name: str

    greeting: str
    """{shop}"""
    no_shop: str
    unknown_shop: str
    handed_over: str
    """{shop}"""
    handoff_ended: str
    help: str
    command_start: str
    command_help: str
    command_language: str

    choose_language: str
    language_chosen: str

    stop_button: str
    stopped: str
    nothing_to_stop: str
    not_yours: str
    sources: str
    not_confirmed: str

    rated: str
    not_rated: str
    is_wrong: str
    is_beside_the_question: str
    is_out_of_date: str
    is_unclear: str

    still_answering: str
    too_busy: str
    too_long: str
    """{limit}"""
    only_text: str
    empty_answer: str
    model_away: str
    cut_short: str
    not_sure: str

    interrupted: str
    failed: str
    unavailable: str
    too_many: str
    """{seconds}"""
    quota_spent: str
    """{time}, {wait}"""
    hours_and_minutes: str
    """{hours}, {minutes}"""
    not_allowed: str
    reference: str
    """{request_id}"""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why an answer did not help: the texts of the buttons after a thumb down."""
        return self.is_wrong, self.is_beside_the_question, self.is_out_of_date, self.is_unclear
