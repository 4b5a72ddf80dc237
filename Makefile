# regbench: every command that a user needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
# One thread a process: two such processes finish more work on two cores than one process with two threads.
WORKERS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
BUDGET ?= quick
export HYDRA_FULL_ERROR ?= 0

.DEFAULT_GOAL := help

.PHONY: help
help: ## list every target
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-22s %s\n", $$1, $$2}'

.PHONY: install
install: $(READY) ## make the environment in .venv (pinned, hashed); does nothing the second time

# The installer and the build backend first, from their own hashed lines, then everything else through them.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "regbench needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@awk '/^[a-z]/ {keep = /^(uv|setuptools)==/} keep' requirements.txt > $(VENV)/bootstrap.txt
	@echo "installing the environment into $(VENV) (about a minute on a fast network)"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/bootstrap.txt
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --compile-bytecode --no-build-isolation --require-hashes -r requirements.txt
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --no-build-isolation --no-deps --editable .
	@touch $@

.PHONY: requirements
requirements: $(READY) ## pin the dependencies of pyproject.toml anew
	$(VENV)/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -o requirements.txt
