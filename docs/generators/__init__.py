"""Writes the reference pages and `.env.example` from the code; `docs/generate.py` runs it."""
