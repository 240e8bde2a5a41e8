"""One module for each number the design promises; `python -m benchmarks` runs all of them."""
