# One verb a task. Needs make and Python 3.11 or newer; everything else goes into .venv.

PYTHON ?= python3
TASTEMAP_DATA ?= ../shared/data
export TASTEMAP_DATA

# How many kills `make kill` spreads over the kinds of work.
ROUNDS ?= 300

# The least share of the lines, in percent, that the tests have to run.
FLOOR := 97

# How many bad requests `make pester` sends.
COUNT ?= 10000

# How long `make fuzz` goes on.
MINUTES := 20

# Where `make demo` leaves its models.
DEMO = $(shell $(BIN)/python -c 'from tastemap.files.cache import cache_folder; print(cache_folder() / "demo-100k")')

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo explore test coverage fuzz kill pester pictures lint types format docs layers bench clean

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/package  ## see it work on MovieLens 100K, or on DATA=<folder of MovieLens>
	@$(BIN)/tastemap demo $(if $(DATA),--data "$(DATA)")

explore: $(VENV)/explore  ## look at the demo's models in a browser, or at MODELS="<files>", with ITEMS=<file>
	@$(BIN)/tastemap explore $(or $(MODELS),$(wildcard $(DEMO)/*.safetensors)) $(if $(MODELS),$(if $(ITEMS),--items "$(ITEMS)"),--items $(DEMO)/films.csv)

# Kernels compile once and are cached on disk; two workers then halve the time. More would share two cores.
test: $(VENV)/dev  ## run the tests, on real data too where TASTEMAP_DATA is a folder of it
	$(BIN)/python -m pytest -n 2 --dist loadgroup -ra $(if $(COVERAGE),--cov --cov-report=)

# Nobody sees what compiled kernels run, so their own tests run once more as plain Python.
coverage: $(VENV)/dev  ## run the tests and say which share of the package's lines they run
	$(MAKE) --no-print-directory test COVERAGE=1
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n 2 -q tests/kernels --ignore tests/kernels/core/test_kernel_cache.py \
	  --cov --cov-append --cov-report=
	@rm -f .coverage.*  # what processes that tests kill leave
	$(BIN)/python -m coverage report --fail-under $(FLOOR)

fuzz: $(VENV)/dev  ## try odd inputs for MINUTES=20, those of SEED=<number> or others each time
	PYTHONPATH=tests $(BIN)/python -m fuzz --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))
kill: $(VENV)/dev  ## kill -9 whatever writes files at ROUNDS random moments of SEED, and check what is left
	PYTHONPATH=tests $(BIN)/python tests/kill/kills.py --rounds $(ROUNDS) --seed $(or $(SEED),0)

pester: $(VENV)/dev  ## send COUNT=10000 bad requests to a server, those of SEED, and check each answer
	$(BIN)/python tests/serve/bad_requests.py --count $(COUNT) --seed $(or $(SEED),0)

pictures: $(VENV)/dev  ## take pictures of the explorer's pages with Chromium, those of the documents too
	PYTHONPATH=tests $(BIN)/python tests/explore/browser/pictures.py

lint: $(VENV)/dev  ## find mistakes and wrong format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev  ## check the types
	$(BIN)/mypy

format: $(VENV)/dev  ## put the code into the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/docs  ## make the documentation, its tutorials run on what TASTEMAP_DATA holds
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --nitpicky docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

layers:  ## draw which room of the package imports from which
	@$(PYTHON) docs/layers.py

bench: $(VENV)/package  ## time against the peers
	$(MAKE) -C benchmarks

clean:  ## remove what can be made again
	rm -rf $(VENV) .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist docs/_build
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# The files below are stamps: each says that its step is done for the pyproject.toml there is.

$(VENV)/made:
	@command -v $(PYTHON) >/dev/null || \
	  { echo "There is no $(PYTHON): install Python 3.11 or newer, or say 'make PYTHON=<path of one>'." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11: say 'make PYTHON=python3.11' or another that is newer." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) lacks the venv module: install it, on Debian and Ubuntu with 'apt install python3-venv'." >&2; exit 1; }
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/package: $(VENV)/made pyproject.toml
	@echo "Installing tastemap and what it needs into $(VENV) ..."
	@$(PIP) install --editable .
	@touch $@

# --group came with pip 25.1.
$(VENV)/dev: $(VENV)/package pyproject.toml
	@echo "Installing the development tools into $(VENV) ..."
	@$(PIP) install 'pip>=25.1'
	@$(PIP) install --group dev
	@touch $@

$(VENV)/explore: $(VENV)/package pyproject.toml
	@echo "Installing what the explorer needs into $(VENV) ..."
	@$(PIP) install --editable '.[explore]'
	@touch $@

$(VENV)/docs: $(VENV)/dev pyproject.toml
	@echo "Installing what makes the documentation into $(VENV) ..."
	@$(PIP) install --group docs
	@touch $@
