"""The Telegram bot of Kladez."""

import os

# python-telegram-bot reads this variable at each use. It decides whether durations are timedelta (its future) or
# numbers with a deprecation warning on every flood reply. So it must be set before the first use.
os.environ.setdefault("PTB_TIMEDELTA", "1")
