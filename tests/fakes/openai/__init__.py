"""A loopback OpenAI server: a module per resource, faults and scripts set by the test, requests kept."""

from tests.fakes.openai.fake import FakeOpenAI
from tests.fakes.openai.faults import Drop, Fault
from tests.fakes.openai.journal import Exchange
from tests.fakes.openai.scripts import Interruption, Outcome, Script
from tests.fakes.openai.server import running_openai
from tests.fakes.openai.storage import Fate, Storage

__all__ = [
    "Drop",
    "Exchange",
    "FakeOpenAI",
    "Fate",
    "Fault",
    "Interruption",
    "Outcome",
    "Script",
    "Storage",
    "running_openai",
]
