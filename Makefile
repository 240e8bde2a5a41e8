# setup, run, test, fuzz, lint, protos, docs, bench, clean: docs/development.md says more about each.
PYTHON ?=
TESTS ?= tests
export PYTHON

# Relative on purpose: the folder's own path may hold spaces.
PY := .venv/bin/python

.PHONY: setup run test fuzz lint protos docs bench clean

setup:
	@.ci/setup

run: setup
	@.venv/bin/kladez up

# Tests wait much, so four files at a time keep two cores busy. The processes they start find our modules compiled.
test:
	@.ci/setup tests
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n 4 --dist loadfile --no-loadscope-reorder --durations 25 $(TESTS)

fuzz:
	@.ci/setup tests
	@$(PY) -m pytest tests/integration/tenants/test_isolation_fuzz.py --fuzz-calls 100000 --show-capture no

lint: setup
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m basedpyright
	@.venv/bin/lint-imports

protos: setup
	@$(PY) protos/generate.py

docs:
	@.ci/setup docs
	@$(PY) -m docs.generate
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

bench: setup
	@$(PY) -m benchmarks

clean:
	@rm -rf .venv build dist kladez.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache site
	@rm -rf tests/e2e/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
