# The commands of this repository. `make` prints this help.
.DEFAULT_GOAL := help
BIN := .venv/bin
Q ?= leases/claim
FUZZ ?= 1000000
JOBS ?= 4
# Files in the order of tests/conftest.py, the long ones first: xdist's own order leaves some of them for the end.
SPREAD = -n $(JOBS) --dist loadfile --no-loadscope-reorder
RESTARTS ?= 10
SEQUENCES ?= 2000
STEPS ?= 50

.PHONY: help run test test-busy check static fix cover bench bench-peers bench-depth bench-shapes bench-strangers bench-tokens bench-plans bench-deduplication bench-schedules bench-terms bench-explain bench-metrics bench-events bench-dashboard bench-against bench-cpu seed-large calm model faults promises upgrade-rehearsal rolling-restart poolers prometheus proxies browser screenshots fuzz mutate explain psql migrate migration docs versions clean

help:  ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/installed  ## Start everything on this machine: PostgreSQL, API, dispatcher, worker
	@$(BIN)/rowline run

test: static  ## Check, and run all tests, on an embedded PostgreSQL or on DATABASE_URL
	@$(BIN)/python -m pytest $(SPREAD)

test-busy: .venv/installed-dev  ## Run all tests beside eight busy loops, to find tests that fail on a slow machine, about 40 minutes
	@$(BIN)/python -m tests.busy $(SPREAD) --hypothesis-profile search

check: static  ## Format, lint, layers, types, domain tests, docs: under a minute; the first time two
	@$(BIN)/python -m pytest -q tests/domain tests/test_house.py

# Of both: all of `check` that is no test.
static: .venv/installed-dev
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-cache >.venv/lint-imports.txt || { cat .venv/lint-imports.txt; exit 1; }
	@$(BIN)/mypy --no-error-summary --exclude '^app/rowline/' app migrations tests wsgi.py
	@$(BIN)/mypy --no-error-summary -p rowline
	@$(BIN)/rowline docs --check

fix: .venv/installed-dev  ## Format the code and fix what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

cover: .venv/installed-dev  ## Run the tests with branch coverage
	@$(BIN)/coverage run -m pytest && $(BIN)/coverage report

bench: .venv/installed-dev  ## Compare with the limits of this machine, about 6 minutes; BENCH="--rounds 1 --only work": options
	@$(BIN)/python -m tests.bench $(BENCH)

bench-peers: .venv/installed-dev  ## Compare with other queues, which it installs below build/, about 15 minutes; PEERS="--rounds 1"
	@$(BIN)/python -m tests.bench.peers $(PEERS)

bench-depth: .venv/installed-dev  ## Compare deep and old queues with empty ones, about 30 minutes; DEPTH="--scale 0.01": smaller
	@$(BIN)/python -m tests.bench.depth $(DEPTH)

faults: .venv/installed-dev  ## Inject faults into PostgreSQL, API, workers and dispatchers under load, about 10 minutes; SEED= repeats a run
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

promises: .venv/installed-dev  ## Measure the promises that are numbers, about 15 minutes; PROMISES="--only claims"
	@$(BIN)/python -m tests.measured $(PROMISES)

bench-shapes: .venv/installed-dev  ## Compare the cost of JSON bodies of many shapes with plain text, about 3 minutes; SHAPES="--rounds 1"
	@$(BIN)/python -m tests.bench.shapes $(SHAPES)

bench-strangers: .venv/installed-dev  ## Measure what unauthenticated clients cost other clients, about 5 minutes; STRANGERS=--firewall: behind the rules of firewall.md, as root
	@$(BIN)/python -m tests.bench.strangers $(STRANGERS)

bench-tokens: .venv/installed-dev  ## Measure what it costs to check 10,000 tokens of the database, about 1 minute
	@$(BIN)/python -m tests.bench.tokens $(TOKENS)

bench-deduplication: .venv/installed-dev  ## Compare the CPU of jobs with deduplication ids with that of plain ones, about 2 minutes
	@$(BIN)/python -m tests.bench.deduplication $(DEDUPLICATION)

bench-schedules: .venv/installed-dev  ## Measure how long the ticks of 10,000 schedules take that are due at once, about 2 minutes
	@$(BIN)/python -m tests.bench.schedules $(SCHEDULES)

bench-explain: .venv/installed-dev  ## Compare when jobs of a steady queue begin with what explain said, about 13 minutes; EXPLAIN="--large build/large": time it there
	@$(BIN)/python -m tests.bench.explain $(EXPLAIN)

bench-metrics: .venv/installed-dev  ## Time scrapes of /metrics with 5,000 queues, two minutes; METRICS="--large build/large": beside 10,000,000 jobs
	@$(BIN)/python -m tests.bench.metrics $(METRICS)

bench-events: .venv/installed-dev  ## Measure how late events come and what they cost, about 6 minutes; EVENTS="--rounds 3 --seconds 5"
	@$(BIN)/python -m tests.bench.events $(EVENTS)

bench-dashboard: .venv/installed-dev  ## Time pages of the dashboard with 5,000 queues, a first view, and 50 open tabs, about 7 minutes; DASHBOARD="--large build/large"
	@$(BIN)/python -m tests.bench.dashboard $(DASHBOARD)

bench-plans: .venv/installed-dev  ## Measure plans over a million jobs, about 10 minutes; PLANS="--jobs 100000": fewer
	@$(BIN)/python -m tests.bench.plans $(PLANS)

bench-terms: .venv/installed-dev  ## Measure what finding by tags and keys takes, and what it costs to add them, about 3 minutes; TERMS="--jobs 50000"
	@$(BIN)/python -m tests.bench.terms $(TERMS)

bench-against: .venv/installed-dev  ## Compare with another installed checkout, about 25 minutes: make bench-against BASE=../base
	@$(BIN)/python -m tests.bench.against $(BASE) $(AGAINST)

model: .venv/installed-dev  ## Compare 2,000 sequences of 50 steps with a model of a queue (SEQUENCES=200 STEPS=50: fewer)
	@MODEL_SEQUENCES=$(SEQUENCES) MODEL_STEPS=$(STEPS) $(BIN)/python -m pytest -q --timeout 10800 --hypothesis-profile search tests/model

seed-large: .venv/installed-dev  ## Make a database of 10,000,000 jobs, which stays, and time looks at it: LARGE="--jobs 100000 --home build/large"
	@$(BIN)/python -m tests.bench.large $(LARGE)

bench-cpu: .venv/installed-dev  ## Compare the CPU time of requests with another installed checkout, about 4 minutes: make bench-cpu BASE=../base
	@$(BIN)/python -m tests.bench.versus $(BASE) $(VERSUS)

calm: .venv/installed-dev  ## Work 50,000 jobs with 16 pull workers without faults: each must run exactly once
	@$(BIN)/python -m tests.chaos.calm

upgrade-rehearsal: .venv/installed-dev  ## Upgrade from an earlier commit to this one under load, about 2 minutes
	@$(BIN)/python -m tests.rehearsal

rolling-restart: .venv/installed-dev  ## Restart two nodes behind haproxy at 100 requests/s (RESTARTS=10); needs haproxy
	@$(BIN)/python -m tests.rehearsal.rolling --restarts $(RESTARTS)

poolers: .venv/installed-dev  ## Run the tests behind pgbouncer 1.18 and 1.24, about a minute; gets both by Debian's apt, below build/
	@$(BIN)/python -m tests.poolers -n 2 --dist loadfile

prometheus: .venv/installed-dev  ## Run the tests with a real Prometheus, half a minute; gets it by Debian's apt, below build/
	@$(BIN)/python -m tests.monitoring

proxies: .venv/installed-dev  ## Run the tests of streams behind nginx and haproxy, and of the firewall, a minute; gets nginx by Debian's apt, below build/
	@$(BIN)/python -m tests.proxies -n 2

browser: .venv/installed-dev  ## Run the tests of the dashboard in Chromium, two minutes; needs chromium-driver, gets axe by pip, below build/
	@$(BIN)/python -m tests.browser

screenshots: .venv/installed-dev  ## Make the pictures of the handbook and the README, a minute and a half; needs chromium-driver; SCREENSHOTS="--only queue"
	@$(BIN)/python -m tests.screenshots $(SCREENSHOTS)

fuzz: .venv/installed-dev  ## Send a million fuzzed requests (FUZZ=200000: fewer; FUZZ_S=600: time limit); SEED= repeats a run
	@$(BIN)/python -m tests.fuzz --cases $(FUZZ) $(if $(FUZZ_S),--seconds $(FUZZ_S)) $(if $(SEED),--seed $(SEED))

mutate: .venv/installed-dev  ## Mutation testing: find changes of code and SQL that no test detects, 20 minutes; MUTATE="--only sql --seconds 600 --seed 7"
	@nice -n 10 $(BIN)/python -m tests.mutate $(MUTATE)

versions: .venv/installed-dev  ## Run what an older PostgreSQL may change on 15 (from Debian) and 16 (from a wheel)
	@$(BIN)/python -m tests.versions

explain: .venv/installed  ## Print the query plan of a statement: make explain Q=leases/claim
	@$(BIN)/rowline db explain $(Q)

psql: .venv/installed  ## Open psql on the database of `make run`
	@$(BIN)/rowline db psql

migrate: .venv/installed  ## Upgrade the schema of DATABASE_URL
	@$(BIN)/rowline db upgrade

migration: .venv/installed-dev  ## Create a migration: make migration NAME=add_something
	@test -n "$(NAME)" || { echo 'NAME is missing: make migration NAME=add_something'; exit 2; }
	@$(BIN)/rowline db revision "$(NAME)"

docs: .venv/installed-dev  ## Write the generated pages of app/docs
	@$(BIN)/rowline docs

clean:  ## Remove what make created here; data is kept
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .hypothesis .coverage
	find app migrations tests -name __pycache__ -prune -exec rm -rf {} +

# The first Python that runs and is new enough, or the one you name: make run PYTHON=/path/to/python3
.venv/bin/python:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Creating .venv with $$python"; \
	        $$python -m venv .venv && exit 0; \
	        rm -rf .venv; echo 'On Debian: apt-get install python3-venv'; exit 2; \
	    fi; \
	done; echo 'Python 3.11 or newer is needed: make run PYTHON=/path/to/python3'; exit 2

.venv/installed: .venv/bin/python setup.cfg pyproject.toml
	@echo 'Installing Rowline into .venv (once; about a minute)'
	@$(BIN)/python -m pip install --disable-pip-version-check --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	@echo 'Installing the test dependencies'
	@$(BIN)/python -m pip install --disable-pip-version-check --editable '.[dev]'
	@touch $@
