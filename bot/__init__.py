"""The Telegram mouth of Kladez."""

import os

# python-telegram-bot decides by this variable whether durations are timedelta (its future) or numbers with a
# deprecation warning on every flood reply; it reads it at each use, so it must be set before the first one.
os.environ.setdefault("PTB_TIMEDELTA", "1")
