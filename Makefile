# regbench: every command that a user needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
# What may be set: `make reproduce-table1 DATASETS=mnist SEEDS=5`. Values are data: make does not expand them, and the
# recipes read them from the environment.
SETTINGS := DATASETS SEEDS REGULARIZERS ONLY BUDGET WORKERS LAUNCH MINUTES HOURS CLAIMS DRY_RUN NETWORK WEIGHTS ADHOC WRITE PYTHON VENV REGULARIZER CONFIGS CONTROL METRIC NAME UNTIL MAX_SEEDS SET
GIVEN := $(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name)))
UNKNOWN := $(filter-out $(SETTINGS) MAKE%,$(GIVEN))
ifneq ($(UNKNOWN),)
$(error $(firstword $(UNKNOWN)) is no setting of make here: allowed are $(SETTINGS))
endif
$(foreach name,$(filter-out PYTHON VENV,$(SETTINGS)),$(eval override $(name) := $$(value $(name))))
export $(filter-out PYTHON VENV,$(SETTINGS))
# One thread a process: two such processes finish more work on two cores than one process with two threads.
CORES := $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
export HYDRA_FULL_ERROR ?= 0

.DEFAULT_GOAL := help

.PHONY: help
help: ## list every target
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-26s %s\n", $$1, $$2}'

.PHONY: install
install: $(READY) ## make the environment in .venv (pinned, hashed); does nothing the second time

# The installer and the build backend first, from their own hashed lines, then everything else through them.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "regbench needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@test -x $(PY) && test ! -e $(VENV)/.unfinished || $(PYTHON) -m venv --clear $(VENV)
	@touch $(VENV)/.unfinished
	@awk '/^[a-z]/ {keep = /^(uv|setuptools)==/} keep' requirements.txt > $(VENV)/bootstrap.txt
	@echo "installing the environment into $(VENV) (about a minute on a fast network)"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/bootstrap.txt
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --compile-bytecode --no-build-isolation --require-hashes -r requirements.txt
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --no-build-isolation --no-deps --editable .
	@touch $@ && rm $(VENV)/.unfinished

.PHONY: requirements
requirements: $(READY) ## pin the dependencies of pyproject.toml anew
	$(VENV)/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -o requirements.txt

.PHONY: demo
demo: $(READY) ## Table 1's whole pipeline on the embedded digits (under 3 minutes on 2 cores), into outputs/demo
	@$(PY) scripts/reproduce.py table1 --datasets digits --budget quick --seeds 3 --workers="$${WORKERS:-$(CORES)}" \
	    paths.results=outputs/demo paths.outputs=outputs/demo tracking=off
	@ls outputs/demo/tables/* outputs/demo/figures/*

.PHONY: test
test: $(READY) ## all tests, no download needed
	@$(PY) -m pytest -n "$${WORKERS:-$(CORES)}" --dist worksteal

.PHONY: lint
lint: $(READY) ## style of the sources
	@$(VENV)/bin/ruff check src scripts tests && $(VENV)/bin/ruff format --check src scripts tests

# LAUNCH='slurm partition=gpu minutes=120': jobs of a cluster in the place of this machine's processes; its words are parted.
reproduce = set -f; if [ -n "$$LAUNCH" ]; then set -- --launch $$LAUNCH; else set -- --workers="$${WORKERS:-$(CORES)}"; fi; \
    $(PY) scripts/reproduce.py $(1) "$$@" --budget="$${BUDGET:-paper}" $${DATASETS:+--datasets="$$DATASETS"} \
    $${SEEDS:+--seeds="$$SEEDS"} $${REGULARIZERS:+--regularizers="$$REGULARIZERS"} $${ONLY:+--only="$$ONLY"} \
    $${MINUTES:+--minutes="$$MINUTES"}

.PHONY: reproduce-table1
reproduce-table1: $(READY) ## PB-EDropout's Table 1; narrow with DATASETS=mnist SEEDS=5; LAUNCH='slurm partition=gpu'
	@$(call reproduce,table1)

.PHONY: reproduce-sensitivity
reproduce-sensitivity: $(READY) ## PB-EDropout under other values of the settings that its paper leaves out
	@$(call reproduce,sensitivity)

.PHONY: reproduce-entropy-figures
reproduce-entropy-figures: $(READY) ## the entropy paper's Figures 3 to 6, autoencoders; narrow with ONLY=model.width=20,60
	@$(call reproduce,entropy-figures)

.PHONY: reproduce-entropy-table1
reproduce-entropy-table1: $(READY) ## the entropy paper's Table 1, small CNNs; narrow with ONLY=model.widths=[32],[32,32]
	@$(call reproduce,entropy-table1)

.PHONY: reproduce-entropy-table2
reproduce-entropy-table2: $(READY) ## the entropy paper's Table 2, VGG16 and ResNet-50; narrow with ONLY=model=vgg16 SEEDS=1
	@$(call reproduce,entropy-table2)

.PHONY: reproduce-entropy-table3
reproduce-entropy-table3: $(READY) ## the entropy paper's Table 3 and Figure 10, U-Net; narrow with DATASETS=duts SEEDS=1
	@$(call reproduce,entropy-table3)

.PHONY: reproduce-gan-table1
reproduce-gan-table1: $(READY) ## the adaptive-dropout paper's Table 1 and Figure 1, GANs; narrow with DATASETS=mnist SEEDS=3
	@$(call reproduce,gan-table1)

.PHONY: reproduce-linearity
reproduce-linearity: $(READY) ## the linearity essay: additivity gap by dropout rate, beside L1 and L2; narrow with DATASETS=digits
	@$(call reproduce,linearity)

.PHONY: reproduce-handout
reproduce-handout: $(READY) ## the handout: none, dropout, batch norm, both; narrow with DATASETS=digits SEEDS=3
	@$(call reproduce,handout)

.PHONY: plan
plan: $(READY) ## what each open claim still takes, cheapest first: seeds, trainings, core-hours; CLAIMS=ho-both BUDGET=quick
	@$(PY) scripts/plan.py $${BUDGET:+--budget="$$BUDGET"} $${CLAIMS:+--claims="$$CLAIMS"}

.PHONY: settle
settle: $(READY) ## train what decides open claims, in the order of make plan, for HOURS=3; goes on when run again
	@set -f; if [ -n "$$LAUNCH" ]; then set -- --launch $$LAUNCH; else set -- --workers="$${WORKERS:-$(CORES)}"; fi; \
	    $(PY) scripts/plan.py --hours="$${HOURS:-3}" "$$@" $${BUDGET:+--budget="$$BUDGET"} \
	    $${CLAIMS:+--claims="$$CLAIMS"} $${DRY_RUN:+--dry-run}

.PHONY: compare
compare: $(READY) ## does my regularizer help? REGULARIZER=mine DATASETS=digits,mnist SEEDS=5 CONFIGS=my/configs UNTIL=decided MAX_SEEDS=20
	@set -f; $(PY) scripts/compare.py "$${REGULARIZER:-}" --datasets="$${DATASETS:-digits}" --seeds="$${SEEDS:-5}" \
	    --budget="$${BUDGET:-quick}" $${CONFIGS:+--configs="$$CONFIGS"} $${CONTROL:+--control="$$CONTROL"} \
	    $${METRIC:+--metric="$$METRIC"} $${NAME:+--name="$$NAME"} $${UNTIL:+--until="$$UNTIL"} \
	    $${MAX_SEEDS:+--max-seeds="$$MAX_SEEDS"} $${WORKERS:+--workers="$$WORKERS"} $${SET:+--set="$$SET"}

.PHONY: extractors
extractors: $(READY) ## train the classifiers behind FID and IS that results/extractors lacks
	@set -f; IFS=,; $(PY) scripts/train_extractor.py $$DATASETS

.PHONY: entropy-map
entropy-map: $(READY) ## change in entropy per layer of NETWORK=vgg16 (or resnet50): torchvision's weights into results/, WEIGHTS=file into outputs/entropy-map
	@$(PY) scripts/entropy_maps.py "$${NETWORK:-vgg16}" $${WEIGHTS:+--weights="$$WEIGHTS"}

.PHONY: data
data: $(READY) ## download MNIST, CIFAR-10 and CIFAR-100 (or DATASETS=celeba) into REGBENCH_DATA (default data/)
	@set -f; IFS=,; $(PY) scripts/prepare_data.py $${DATASETS:-mnist,cifar10,cifar100}

.PHONY: tables
tables: $(READY) ## tables and figures from the rows, training nothing
	@$(PY) scripts/report.py

.PHONY: figures
figures: $(READY) ## run the notebooks, which draw the figures from the rows
	@$(PY) scripts/run_notebooks.py

.PHONY: page
page: $(READY) ## results/page/index.html, all results in one file for a browser, from the rows
	@$(PY) scripts/page.py

.PHONY: check
check: $(READY) ## rebuild the tables from the rows and fail on a difference
	@$(PY) scripts/report.py --check

.PHONY: collect
collect: $(READY) ## pack finished rows into results/runs/<experiment>.jsonl, the committed form
	@$(PY) scripts/report.py --collect

.PHONY: stale
stale: $(READY) ## list rows that other code than today's has made
	@$(PY) scripts/report.py --stale

.PHONY: benchmark
benchmark: $(READY) ## speed of PB-EDropout beside other layers, and of the ways to run a sweep, as ratios of one run; WRITE=1 keeps the tables
	@$(PY) scripts/benchmark.py $${WRITE:+--write}
	@$(PY) scripts/benchmark_members.py $${WRITE:+--write}

.PHONY: clean
clean: ## remove outputs/: checkpoints, logs, kept weights, comparisons, what smoke and the demo made; results/ stays
	rm -rf outputs
