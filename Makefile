# What a person types, and what CI runs. Needs Python 3.11 or newer and nothing else, but for `test-kafka`.
# A Python of your choice: make PYTHON=/path/to/python3 …

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest --durations=12
JOBS := 2# test processes, each with services of its own; 0 runs the tests in one
SPREAD := --numprocesses $(JOBS) --dist worksteal
ENGINE_TESTS := tests/scenarios $(addprefix tests/unit/test_,$(addsuffix .py,batch bounds changeover changes clocks codec \
	comparisons conditions dates equivalence events explain features form laws pace packs paths publisher \
	standard_ruleset timestamps view))
UV_COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' \
	--extra embedded --extra charts --group build pyproject.toml

.PHONY: help demo demo-models test compiled test-compiled test-kafka fuzz chaos chaos-store chaos-points lint format bench bench-throughput bench-models bench-http bench-latency bench-scale bench-view lock clean
.DEFAULT_GOAL := help

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## real customers cross real segments: two years of a shop, replayed
	@scripts/setup run
	@$(BIN)/segue demo

demo-models: ## models learn from the same purchases who will buy again, what they will spend, and who is alike
	@scripts/setup run
	@$(BIN)/segue demo --models

test: ## unit, scenario, integration and chaos tests, on the embedded broker and Valkey; one of them: make test ARGS='-k name'
	@scripts/setup dev
	@$(PYTEST) $(SPREAD) --broker embedded $(ARGS)

compiled: ## a wheel in dist/ with the engine compiled, and the same in build/compiled; needs a C compiler
	@scripts/setup dev
	@SEGUE_COMPILE=1 $(BIN)/hatchling build --target wheel --directory dist

test-compiled: compiled ## the engine's tests on the compiled engine
	@SEGUE_PROPERTY_FORM=compiled SEGUE_PROPERTY_CASES=1000 $(PYTEST) -o pythonpath="build/compiled ." $(ARGS) $(ENGINE_TESTS)

test-kafka: ## integration and chaos tests on Apache Kafka itself; needs java (17 or newer) and mvn
	@scripts/setup dev
	@$(PYTEST) $(SPREAD) --broker kafka $(ARGS) tests/integration tests/chaos

fuzz: ## bad input of every kind through the whole pipeline, held to the oracle: make fuzz ARGS='--seed 7 --records 1000000'
	@scripts/setup dev
	@$(BIN)/python -m tests.fuzz $(ARGS)

chaos: ## workers, broker, Valkey and network fail under load on Apache Kafka: make chaos ARGS='--seed 7 --kills 100'
	@scripts/setup dev
	@$(BIN)/python -m tests.chaos.driver $(ARGS)

chaos-store: ## the store is set back, emptied, filled up, replaced, moved under load; each for itself, those that CI leaves out too
	@scripts/setup dev
	@$(PYTEST) --broker kafka --long $(ARGS) tests/chaos/test_store_set_back.py tests/chaos/test_store_refuses.py tests/chaos/test_store_cluster.py

chaos-points: ## a worker dies, stands still, is cancelled or loses a reply at every place where it waits; two take-overs cross
	@scripts/setup dev
	@SEGUE_CHAOS=2 $(PYTEST) --broker kafka $(ARGS) tests/chaos/test_fail_points.py tests/chaos/test_fail_points_processes.py

lint: ## ruff and mypy
	@scripts/setup dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: ## let ruff mend what it can
	@scripts/setup dev
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: ## throughput, latency, scale and view, on services that it starts; one part: make bench ARGS='--only scale'
	@scripts/setup dev
	@$(BIN)/python -m benchmarks $(ARGS)

bench-throughput: ## events a second beside Faust, Quix, Bytewax, Kafka Streams; needs java and mvn, or ARGS='--broker embedded'
	@scripts/setup dev
	@$(BIN)/python -m benchmarks.throughput $(ARGS)

bench-models: ## the online models beside nightly batches and other peers; one part: make bench-models ARGS='--only drift'
	@scripts/setup dev
	@$(BIN)/python -m benchmarks.models $(ARGS)

bench-http: ## the HTTP edges under load; one part: make bench-http ARGS='--only lookup'
	@scripts/setup dev
	@$(BIN)/python -m benchmarks.http $(ARGS)

bench-latency: ## from an event to its change, and how late what time alone changes is
	@scripts/setup dev
	@$(BIN)/python -m benchmarks.latency $(ARGS)

bench-scale: ## what grows with segments and customers; one part: make bench-scale ARGS='--only bytes'
	@scripts/setup dev
	@$(BIN)/python -m benchmarks.scale $(ARGS)

bench-view: ## reads of customers' views beside full write load
	@scripts/setup dev
	@$(BIN)/python -m benchmarks.view $(ARGS)

lock: ## pin the newest versions that pyproject.toml allows; needs uv (pip install uv)
	$(UV_COMPILE) --upgrade --group dev --output-file requirements-dev.lock
	$(UV_COMPILE) --upgrade --constraint requirements-dev.lock --output-file requirements.lock

clean: ## remove .venv and all that is made anew
	rm -rf .venv build dist segue-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
