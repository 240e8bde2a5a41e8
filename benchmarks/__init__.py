"""One module for each number the design promises; `python -m benchmarks` runs all of them."""

import retrieval_service.cli  # noqa: F401 - as every process of the service begins
