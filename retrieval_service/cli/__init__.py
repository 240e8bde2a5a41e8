"""The command line."""

from __future__ import annotations

import os

# gRPC reads this when it is loaded. Its lines about failed handshakes would stand around what we say of them.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
