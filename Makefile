# `make help` lists the targets. Each sets up what it needs first, once.

VENV ?= .venv
ROUNDS ?= 5
FAULT_SECONDS ?= 60
# Test processes: more than cores, because most tests wait for something most of the time.
JOBS ?= 4
python := $(VENV)/bin/python
export VENV PYTHON

# Options of `python -m local up`, such as: make run ARGS="--port 9000 --no-stream"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test lint bench screenshots chaos faults setup-run setup-test clean

# One line of progress a check; its output only when it fails.
define check
@printf '%-20s' '$(1)'; started=$$(date +%s); \
if output=$$($(2) 2>&1); then echo "ok ($$(( $$(date +%s) - started )) s)"; \
else echo FAILED; printf '%s\n' "$$output"; exit 1; fi
endef

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup-run ## Start the whole local stack and a stream; Ctrl-C stops it (ARGS="--port 9000 ...")
	@exec $(python) local/leash.py $$PPID $(python) -m local up $(ARGS)

test: lint ## Check the code and run every test
	@$(python) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

lint: setup-test ## Check style, types and the direction of imports
	$(call check,ruff check,$(python) -m ruff check)
	$(call check,ruff format,$(python) -m ruff format --check)
	$(call check,mypy,$(python) -m mypy)
	$(call check,import-linter,$(VENV)/bin/lint-imports)

bench: setup-test ## Measure, side by side with the raw SDK; writes bench/results/latest.json
	@$(python) -m bench $(ARGS)

screenshots: setup-test ## Take the pictures of the dashboard, from a real run, into docs/images
	@$(python) -m bench.screenshots

chaos: setup-test ## Kill and break a running stack, ROUNDS times (default 5), and check the books
	@CHAOS_ROUNDS=$(ROUNDS) $(python) -m pytest tests/chaos $(ARGS)

faults: setup-test ## Hold each of the hub's faults for a minute (FAULT_SECONDS) and show what became of the stream
	@FAULT_SECONDS=$(FAULT_SECONDS) $(python) -m pytest -q -rP -n 6 --dist load tests/e2e/test_faults.py $(ARGS)

setup-run setup-test: setup-%:
	@found=$$(sh local/find_python.sh) && exec "$$found" -m local.bootstrap $* --venv $(VENV)

clean: ## Remove everything that was installed or written here, the stream's data too
	@rm -rf $(VENV) .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
