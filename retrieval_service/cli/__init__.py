"""The command line, by which every process of the service begins."""

from __future__ import annotations

import os

# gRPC reads this when it is loaded. Its lines about failed handshakes would stand around what we say of them.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

# OpenBLAS reads this when NumPy is loaded. Our matrices are small: shared among threads, they had each of these spin
# until the other was given a processor, with the interpreter's lock. On a busy machine 4 ms became 90.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
