# The same words people and CI use. Two are enough on a fresh machine: make demo, make test.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo up check test test-all bench sim mutants fmt lock runtime dev docs clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: runtime ## Build the example Actor and run it on a server of its own: abort, reboot, results
	@$(BIN)/actorium demo

up: runtime ## Run the server until Ctrl+C
	@$(BIN)/actorium serve

check: dev ## The quick one while you work: format, lint, types, imports, unit tests
	@$(BIN)/python scripts/steps.py check

test: dev ## What CI runs: check, and everything that starts servers, sandboxes and official clients
	@$(BIN)/python scripts/steps.py test

test-all: dev ## Also the tests that take minutes
	@$(BIN)/python scripts/steps.py test-all

bench: dev ## Measure side by side and print ratios
	@$(BIN)/python -m benchmarks

sim: dev ## Play SEEDS=1000 histories of the run engine with crashes and lost messages; SEED=7 replays one
	@$(BIN)/python -m actorium.testing.simulator $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000) --first $(or $(FIRST),0))

mutants: dev ## Put known bugs into a copy of the code and see whether the simulator and the tests catch them
	@$(BIN)/python scripts/mutants.py

fmt: dev ## Format the code
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --fix --quiet .

docs: dev ## Write the generated references again
	@$(BIN)/python scripts/references.py

lock: dev ## Choose dependency versions again
	@$(BIN)/python scripts/lock.py

runtime:
	@$(PYTHON) scripts/install.py runtime

dev:
	@$(PYTHON) scripts/install.py dev

clean: ## Remove what was installed and cached
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
