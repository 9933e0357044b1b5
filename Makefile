# Every target sets up what it needs by itself; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
ARGS ?=
BIN := .venv/bin
# Bytecode is compiled once and kept: a hub starts in a third of the time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

.PHONY: setup setup-dev
setup: ## make .venv from the hash-pinned lock
	@.ci/bootstrap.sh runtime
setup-dev:
	@.ci/bootstrap.sh dev

.PHONY: demo run
demo: setup ## a customer's broken broadband becomes a working Mini Hub, and back (ARGS=--json, ARGS=--break=filter)
	@$(BIN)/hub-sim demo $(ARGS)
run: setup ## the demo's world, staying up until Ctrl-C
	@$(BIN)/hub-sim demo --stay $(ARGS)

.PHONY: check
check: setup-dev ## lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: test test-unit
test: setup-dev ## every test; Debian's packages are installed where that is allowed
	@.ci/debian-packages.sh
	.ci/test.sh $(ARGS)
test-unit: setup-dev ## the unit part alone
	$(BIN)/pytest tests/unit -m "not slow" -n 2 --dist worksteal -q $(ARGS)

.PHONY: bench
bench: setup-dev ## measure against baselines in the same run; writes build/bench.json
	@.ci/debian-packages.sh
	$(BIN)/python -m bench $(ARGS)

.PHONY: wire
wire: setup-dev ## write the golden vectors and JSON Schema of the wire contract again
	$(BIN)/python -m tests.unit.wire.vectors

.PHONY: faults
faults: setup-dev ## every port fault of every personality, 1,000 seeds each (long)
	MINIHUB_FAULT_SEEDS=1000 $(BIN)/pytest tests/e2e/bridge/test_port_faults.py -n 2 -q $(ARGS)

.PHONY: world
world: setup-dev ## the demo's story on virtual time with 300 seeds (long)
	MINIHUB_WORLD_SEEDS=300 $(BIN)/pytest tests/world -n 2 -q $(ARGS)

.PHONY: planted
planted: setup-dev ## plant bugs one by one; the tests beside each must notice (long)
	MINIHUB_PLANTED=all $(BIN)/pytest tests/planted -n 2 -q $(ARGS)

.PHONY: soak
soak: setup-dev ## a thousand seeded power cuts of a whole agent, and a virtual day's memory (long)
	MINIHUB_CUT_SEEDS=167 $(BIN)/pytest tests/unit/agent/test_power_cuts.py -n 2 -q $(ARGS)
	$(BIN)/python -m tests.unit.agent.a_day 24

.PHONY: race
race: setup-dev ## two controllers race on carrier, notices and orders over PostgreSQL (ten minutes)
	@.ci/debian-packages.sh
	MINIHUB_RACE_S=600 $(BIN)/pytest tests/e2e/controller_db/test_race.py -q $(ARGS)

.PHONY: fuzz
fuzz: setup-dev ## coverage-guided fuzzing of the AT connection (ARGS=-max_total_time=3600)
	$(BIN)/python tests/fuzz/fuzz_connection.py $(or $(ARGS),-max_total_time=600)

.PHONY: mutation
mutation: setup-dev ## mutation testing of the domain rules (long)
	.ci/mutation.sh $(ARGS)

.PHONY: lock
lock: ## make both lock files again (needs uv)
	.ci/lock.sh

.PHONY: clean
clean: ## remove what can be made again
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
