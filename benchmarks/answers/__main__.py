"""`python -m benchmarks.answers`."""

from benchmarks.answers.running import main

# Without a guard: processes that are spawned never import a package's main module.
main()
