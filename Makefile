# The two commands are `make demo` and `make test`; the rest are their parts. Each installs what it needs, and can be run again at any time.

PYTHON ?= python3
BIN := .venv/bin
COMPILE := uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock"
CLUSTER := $(PYTHON) hack/cluster
# Cluster tests mostly wait for pods, so more of them than cores run side by side.
CLUSTER_PROCESSES ?= 4

.PHONY: help demo demo-down example-video test setup lint format test-unit servers test-redis conformance fuzz reliability mutants test-cluster cluster-up cluster-down crds reference goldens sbom lock

help: ## What there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

demo: setup ## The main job, live: a cluster, the operator, 300 jobs from a Node program
	@$(BIN)/python -m hack.demo up

example-video: setup ## A video in four stages, on a Redis of its own; one image fails and is drawn again
	@$(BIN)/python examples/video/run.py --fail-scene 3

demo-down: cluster-down ## Remove what the demo made; the caches stay

test: lint test-unit test-redis test-cluster ## Every test there is

setup:
	@$(PYTHON) hack/setup.py

lint: setup ## Format, lint, types, and who may import whom
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy worker operator tests hack benchmarks examples
	@MYPYPATH=examples/api $(BIN)/mypy examples/api/app.py examples/api/jobs.py
	@$(BIN)/lint-imports

format: setup
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

test-unit: setup ## Pure code; seconds
	@$(BIN)/pytest -n 2 -q tests/unit

servers: setup
	@$(BIN)/python -m hack.servers

test-redis: setup servers ## Against a real Redis and Node's BullMQ
	@$(BIN)/pytest -n 2 -q tests/integration tests/conformance
	@$(BIN)/pytest -n 2 -q tests/reliability

conformance: setup servers ## Against Node's BullMQ on another server: CONFORMANCE_SERVER=redis-8.2, valkey-9.1, …
	@$(BIN)/pytest -n 2 -q tests/conformance

fuzz: setup ## Random sequences on BullMQ and on ours, new ones each time: FUZZ_SEQUENCES=1000 with each generation
	@FUZZ_SEQUENCES=$${FUZZ_SEQUENCES:-1000} $(BIN)/pytest -n 2 -q tests/conformance/fuzz

reliability: setup ## Hours of kills, restarts and pauses under load; RELIABILITY_KILLS=20 and so on make it shorter
	@RELIABILITY_KILLS=$${RELIABILITY_KILLS:-500} RELIABILITY_RESTARTS=$${RELIABILITY_RESTARTS:-1000} RELIABILITY_RATE=$${RELIABILITY_RATE:-200} \
		RELIABILITY_REDIS_RESTARTS=$${RELIABILITY_REDIS_RESTARTS:-20} RELIABILITY_PAUSES=$${RELIABILITY_PAUSES:-50} \
		RELIABILITY_FAILOVERS=$${RELIABILITY_FAILOVERS:-20} \
		RELIABILITY_LONG_SECONDS=$${RELIABILITY_LONG_SECONDS:-75} RELIABILITY_TIMEOUT=$${RELIABILITY_TIMEOUT:-14400} \
		RELIABILITY_FIGURES=$${RELIABILITY_FIGURES:-reliability.jsonl} $(BIN)/pytest -q tests/reliability

mutants: setup ## Faults planted into our Lua, and what catches each
	@$(BIN)/python -m tests.conformance.mutants

ifdef BULLPEN_KUBECONFIG
test-cluster: setup
	@$(BIN)/pytest -n $(CLUSTER_PROCESSES) --timeout=400 -q -m "cluster and not alone" tests/cluster
else
test-cluster: setup cluster-up ## Against a real Kubernetes
	@$(CLUSTER) build && $(CLUSTER) load
	@$(BIN)/pytest -q tests/images
	@$(BIN)/pytest -n $(CLUSTER_PROCESSES) --timeout=400 -q -m "cluster and not alone" tests/cluster
	@$(BIN)/pytest -q --timeout=600 -m alone tests/cluster
endif

cluster-up: ## A kind cluster on this machine
	@$(CLUSTER) up

cluster-down:
	@$(CLUSTER) down

crds: setup ## Write the CRD from the models
	@$(BIN)/python -m bullpen_operator.api.crd crds/bullpen.dev_workerpools.yaml \
		charts/bullpen/files/bullpen.dev_workerpools.yaml kustomize/base/crd.yaml

sbom: ## What the images are made of, as CycloneDX, into dist/
	@$(PYTHON) -m hack.sbom

goldens: setup ## Render the chart anew: its golden files, and what kustomize/ starts from
	@$(BIN)/python -m hack.rendered

reference: setup ## Write docs/reference from the models, the enums and the metrics
	@$(BIN)/python -m hack.reference

lock: setup ## Resolve the dependencies anew
	@$(BIN)/pip install --quiet uv
	@for extra in dev worker operator release; do $(BIN)/$(COMPILE) pyproject.toml --extra $$extra -o lock/$$extra.txt; done
	@echo 'hatchling>=1.27' | $(BIN)/$(COMPILE) - -o lock/build.txt
