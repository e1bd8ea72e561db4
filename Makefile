# make demo | demo-train | test | lint: each sets up .venv by itself; nothing is installed outside this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal --durations=15

.PHONY: demo demo-train test lint format clean

demo: $(VENV)/.installed
	$(BIN)/python -m experiments.demo_song

demo-train: $(VENV)/.installed
	$(BIN)/python -m experiments.demo

# In parts: compiled functions pile up in the processes that run tests.
test: $(VENV)/.installed-dev
	failed=0; \
	$(PYTEST) tests/dssgan/[a-o]*/ || failed=1; \
	$(PYTEST) tests/dssgan/[p-z]*/ tests/dssgan/test_*.py || failed=1; \
	$(PYTEST) tests --ignore=tests/dssgan || failed=1; \
	exit $$failed

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/bin/pip:
	$(PYTHON) common/environment.py $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt requirements-sweep.txt requirements-export.txt requirements-stores.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $(VENV)/.installed $@

clean:
	rm -rf runs demo .pytest_cache .ruff_cache .hypothesis
