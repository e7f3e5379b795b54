# `make help` lists the targets. Everything runs from the virtual environment that `make setup` makes.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The Python of the virtual environment: make PYTHON=python3.12 setup
PYTHON ?= python3
VENV := $(CURDIR)/.venv
export PATH := $(VENV)/bin:$(PATH)
export VIRTUAL_ENV := $(VENV)
# Silences molecule's wish for extensions/molecule; the scenarios stand in molecule/.
export MOLECULE_GLOB := $(CURDIR)/molecule/*/molecule.yml
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
# Molecule breaks what a test says at the width of the terminal, or at 80.
export COLUMNS ?= 160
LAB := $(PYTHON) tools/lab
LAB_INVENTORY := inventory/lab
SCENARIOS := $(sort $(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml)))
# What guards the promises and fits CI; the others run in molecule-full.
CI_SCENARIOS := default failover faults kerberos storage yarn
# Parts of `make test` side by side. A part mostly waits for processes to start and for votes, so two fit 2 cores and 16 GiB.
JOBS ?= 2

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

.PHONY: demo
demo: lab-requirements setup ## Build a real cluster on this machine and say who leads (about 4 minutes, then 20 s)
	@$(LAB) up --inventory $(LAB_INVENTORY)
	@ansible-playbook -i $(LAB_INVENTORY) playbooks/bundle.yml
	@ansible-playbook -i $(LAB_INVENTORY) playbooks/site.yml
	@ansible-playbook -i $(LAB_INVENTORY) playbooks/status.yml

.PHONY: demo-down
demo-down: ## Remove all of the demo: hosts, network, volumes and host images
	@$(LAB) down --images --inventory $(LAB_INVENTORY)

.PHONY: test
test: lab-requirements setup ## Everything that CI runs, two parts side by side (JOBS=1: one after another)
	@mkdir -p build
	@$(MAKE) --jobs=$(JOBS) --output-sync=target lint unit simulation contract molecule 2>&1 | tee build/test.log || \
		{ echo "What failed, of all parts:"; grep -E '(^|m) ?E   ' build/test.log | head -60; \
		sed -n '/short test summary info/,/ in [0-9.]*s/p' build/test.log; exit 1; }

.PHONY: setup
setup: $(VENV)/.requirements .ansible/collections/ansible_collections/streamquorum/ha ## Make the virtual environment and link the checkout as a collection

$(VENV)/.requirements: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed (ansible-core 2.19): install one and name it: make PYTHON=python3.12 setup"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || \
		{ echo "The module venv is missing: install it (Debian: apt-get install python3-venv) and run this again."; exit 1; }
	@echo "Making the virtual environment .venv (usually 20 to 60 s) …"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.ansible/collections/ansible_collections/streamquorum/ha:
	@mkdir -p $(dir $@)
	@ln -sfn ../../../.. $@

.PHONY: lab-requirements
lab-requirements: ## Install what the lab needs of this machine (apt, as root), or say what to install
	@$(LAB) requirements --install

.PHONY: lint
lint: lint-yaml lint-python lint-types lint-changelog lint-ansible ## yamllint, ruff, mypy, antsibull-changelog, ansible-lint (profile production, and syntax of every playbook)

# One by one, they are the hooks of .pre-commit-config.yaml.
.PHONY: lint-yaml lint-python lint-types lint-changelog lint-ansible
lint-yaml: setup
	@yamllint --strict .
lint-python: setup
	@ruff check . && ruff format --check .
lint-types: setup
	@mypy plugins tools
lint-changelog: setup
	@antsibull-changelog lint
lint-ansible: setup
	@ansible-lint --strict

.PHONY: unit
unit: setup ## Pure logic, on replies recorded from real servers
	@pytest tests/unit

.PHONY: contract
contract: setup ## Data agrees with data; real playbook runs refuse wrong inventories, and write the recorded bytes
	@pytest -m "not long" tests/contract tests/refusals tests/traps tests/golden

.PHONY: traps
traps: setup ## All of tests/traps, those too that CI leaves out (20 minutes)
	@pytest tests/traps

.PHONY: refusals
refusals: setup ## All of tests/refusals, those too that CI leaves out (8 minutes)
	@pytest tests/refusals

# Beside the release that requirements.txt pins. They need Python 3.12: uv takes one of this machine, or fetches one; a path serves too.
CORES := 2.20 2.21
CORES_PYTHON ?= 3.12
.PHONY: ansible-cores
ansible-cores: unit contract $(CORES:%=core-%) ## The same as unit and contract with each release of ansible-core that we support

.PHONY: $(CORES:%=core-%)
$(CORES:%=core-%): core-%: setup
	@uv venv --quiet --clear --python $(CORES_PYTHON) build/cores/$*
	@uv pip install --quiet --python build/cores/$* --override <(echo "ansible-core==$*.*") -r requirements-dev.txt
	@PATH=$(CURDIR)/build/cores/$*/bin:$$PATH VIRTUAL_ENV=$(CURDIR)/build/cores/$* \
		pytest tests/unit tests/contract tests/refusals tests/traps tests/golden

# A folder of its own, because ansible-test wants .../ansible_collections/NAMESPACE/NAME; a repository of its own, because this one
# ignores build/. It is also the home that ansible-test keeps its environments in, and the user's stays as it is.
SANITY := $(CURDIR)/build/sanity
SANITY_TREE := $(SANITY)/ansible_collections/streamquorum/ha
.PHONY: sanity
sanity: setup ## ansible-test sanity of Ansible itself, on a copy of what git tracks (5 to 15 minutes; needs PyPI)
	@rm -rf $(SANITY)/ansible_collections
	@mkdir -p $(SANITY_TREE) $(SANITY)/.ansible/test/cache
	@git ls-files -z | xargs --null cp --parents --target-directory=$(SANITY_TREE)
	@git init --quiet $(SANITY_TREE)
	@# In place of the pip that it would download from Ansible's own host: the one that comes with Python.
	@pip=$$(sed -n "s/^ *pip='\(.*\)',$$/\1/p" $(VENV)/lib/python*/site-packages/ansible_test/_internal/python_requirements.py); \
		echo 'import ensurepip; ensurepip.bootstrap()' > "$(SANITY)/.ansible/test/cache/get_pip_$${pip//./_}.py"
	@cd $(SANITY_TREE) && env -u ANSIBLE_CONFIG HOME=$(SANITY) ansible-test sanity --local --python 3.11

.PHONY: golden
golden: setup ## Record anew what the runs of tests/golden write; its diff is what users' next runs roll
	@GOLDEN=record pytest tests/golden

.PHONY: matrix-golden
matrix-golden: setup ## What is written for each minor release of Flink since 1.1, by the names that it knows (30 s; part of unit)
	@pytest tests/unit/plugins/plugin_utils/flink/test_written.py

.PHONY: matrix
matrix: molecule-matrix ## Each minor release of Flink since 1.13 for real, with a job and a leader that is killed (about 50 minutes)

.PHONY: simulation
simulation: setup ## The decisions of a roll against a simulated ensemble: 6,000 histories (15 s of a core)
	@pytest tests/simulation

.PHONY: simulate
simulate: setup ## The same with 100,000 histories (5 to 7 minutes of a core)
	@SIMULATION_HISTORIES=100000 pytest tests/simulation

.PHONY: molecule
molecule: $(CI_SCENARIOS:%=guard-%) ## The scenarios that guard the promises, on real hosts

.PHONY: $(CI_SCENARIOS:%=guard-%)
$(CI_SCENARIOS:%=guard-%): guard-%: lab-requirements setup
	@FAULTS=short molecule test --scenario-name $*

.PHONY: molecule-full
molecule-full: $(SCENARIOS:%=molecule-%) ## Every scenario (about 4 hours of 2 cores; make -k goes on past a failure)

.PHONY: $(SCENARIOS:%=molecule-%)
$(SCENARIOS:%=molecule-%): molecule-%: lab-requirements setup
	@molecule test --scenario-name $*

.PHONY: bench
bench: lab-requirements setup ## Cost of a first, a second and a --check run, then of 5 rolls under writes (about 10 minutes)
	@python3 tools/bench/bench.py
	@python3 tools/bench/roll.py

.PHONY: bench-stops
bench-stops: lab-requirements setup ## Proof that ZooKeeper's stop is safe: 100 leader stops under writes (about 12 minutes)
	@python3 tools/bench/stops.py

.PHONY: bench-scale
bench-scale: setup ## What a second run costs the controller with 7, 50 and 200 hosts, which are files (about 10 minutes)
	@python3 tools/bench/scale.py

.PHONY: known-options
known-options: setup ## Collect Flink's own options from the releases in .bundle, which has to hold each minor one of the table
	@python3 tools/known_options.py

.PHONY: known-keys
known-keys: setup ## Collect the keys of zoo.cfg from ZooKeeper's own jars, one of each minor release (make known-keys JARS='lib/zookeeper-*.jar')
	@python3 tools/known_keys.py $(JARS)

.PHONY: lock
lock: setup ## Write requirements.lock from requirements-dev.txt: all that is installed, with its hashes
	@uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 requirements-dev.txt --output-file requirements.lock

.PHONY: execution-environment
execution-environment: setup ## Write what an image of the controller is built of, to build/execution-environment
	@ansible-galaxy collection build --force --output-path build
	@ansible-builder create --file execution-environment.yml --context build/execution-environment

# Any release serves: only what all of them have is used.
.PHONY: storage-proof
storage-proof: setup ## Build the jar that proves a storage, with javac and the release that FLINK names (make storage-proof FLINK=/opt/flink-2.3.0)
	@python3 tools/storage_proof.py $(FLINK)/lib

.PHONY: docs
docs: setup ## Write docs/variables.md from the roles' own argument_specs
	@python3 tools/docs/variables.py > docs/variables.md
