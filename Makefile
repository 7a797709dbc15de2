# Each target makes its own environment: Python 3.11 to 3.13, make and a package index are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
T ?= tests

.DEFAULT_GOAL := help
.PHONY: help demo run test lint fix bench install lock messages

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

demo: $(VENV)/run.stamp ## the whole product with a local Telegram simulator and a chat page; needs no token
	@$(BIN)/python -m bot demo $(ARGS) || [ $$? -eq 130 ]

run: $(VENV)/run.stamp ## the bot itself, with the settings of the environment or .env
	@$(BIN)/python -m bot run

test: $(VENV)/dev.stamp ## the whole suite; make test T=tests/proof runs a part
	@$(BIN)/python -m pytest -n 4 $(ARGS) $(T)

lint: $(VENV)/dev.stamp ## ruff, mypy, the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

fix: $(VENV)/dev.stamp ## what ruff can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/dev.stamp ## the benchmarks, each beside its baseline
	@$(BIN)/python -m benchmarks

install: $(VENV)/run.stamp ## only the environment: .venv/bin/python -m bot, .venv/bin/assent

messages: $(VENV)/dev.stamp ## renew locales/ from the phrases in the code; then translate what is empty
	@mkdir -p build
	@$(BIN)/pybabel -q extract -k phrase -k ngettext:1,2 --no-location --omit-header -o build/assent.pot bot handlers storage
	@for locale in ru en; do $(BIN)/pybabel -q update -i build/assent.pot -o locales/$$locale/LC_MESSAGES/assent.po \
	  -l $$locale -D assent --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --width=100; done
	@sed -i -E '/^"(Project-Id|Report-Msgid|POT-Creation|PO-Revision|Last-Translator|Language-Team|Generated-By)/d; /./,$$!d' \
	  locales/*/LC_MESSAGES/assent.po

lock: ## renew the lock files from requirements/*.in (needs uv)
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements/run.in -o requirements/run.txt
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements/dev.in -o requirements/dev.txt

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "Assent needs Python 3.11 to 3.13; name one with: make PYTHON=python3.12 …" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "this Python cannot make environments; on Debian: apt-get install python3-venv" >&2; exit 2; }

$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "setting up .venv (once; about a minute) …" >&2
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
