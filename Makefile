# Every target sets up .venv itself. The base package is enough for the demo; tests and benchmarks want the dev extra.
#   make demo                     cluster the reviews in the package, print where the report is
#   make test | lint | type       make check runs all three
#   make evaluate DATA=folder     models and baselines on sets with gold answers, one table
#   make bench                    texts per second beside all-MiniLM, written to benchmarks/results

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := demo
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
DATA ?= ../shared/data/eval/written
PYTEST ?=
BENCH ?=
EVALUATE ?= --model bundled --baseline minilm --baseline minilm-prefix --baseline random --wording-seeds 1

BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install -qq --no-compile --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint type bench evaluate check chromium

demo: $(VENV)/.base
	@$(BIN)/answerspace demo --output demo-report
	@echo "$(CURDIR)/demo-report/report.html"

test: $(VENV)/.dev chromium
	@$(BIN)/pytest $(PYTEST)

lint: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

type: $(VENV)/.dev
	@$(BIN)/mypy

check: lint type test

bench: $(VENV)/.dev
	@$(BIN)/python benchmarks/throughput.py $(BENCH)

evaluate: $(VENV)/.dev
	@$(BIN)/answerspace evaluate --suite written --data $(DATA) $(EVALUATE)

# The stamps are older than what they depend on when there is something new to install.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed. Got {sys.version.split()[0]}; say make PYTHON=python3.12.")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing answerspace into $(VENV) ..." >&2
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing answerspace and what its tests need into $(VENV) ..." >&2
	@$(INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.base

# The browser tests drive a real Chromium.
chromium:
	@if [ -n "$${CHROMIUM:-}" ] || command -v chromium chromium-browser >/dev/null; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
	  echo "The browser tests need Chromium. Found none; install it, or set CHROMIUM to its path." >&2; exit 1; \
	fi; \
	if [ "$$(id -u)" = 0 ]; then as_root=; elif sudo -n true 2>/dev/null; then as_root=sudo; else \
	  echo "The browser tests need Chromium. Found none; type: sudo apt-get install chromium" >&2; exit 1; \
	fi; \
	$$as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -y -qq chromium >/dev/null
