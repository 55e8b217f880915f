# Two commands do everything: `make demo` and `make test`. Both set up what they need on a bare Debian 12.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
PORT ?= 8000
ROOMS := vocab schemas publisher catalogue
VENDOR := catalogue/static/vendor
# Root installs Debian packages as it is, anybody else through sudo.
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: help demo test lint format bench ckan fuzz clean system-packages

help:
	@echo "make demo    set up, publish the sample submission, serve it on http://127.0.0.1:$(PORT)"
	@echo "make test    set up what tests need, lint, run all tests"
	@echo "make lint    ruff and mypy"
	@echo "make format  let ruff put the code in shape"
	@echo "make bench   run the benchmarks"
	@echo "make ckan    a real CKAN on http://127.0.0.1:5000 to push to, until Ctrl-C"
	@echo "make fuzz    mutated files for every reader, then mutated queries, 30 minutes each (SECONDS=1800)"
	@echo "make clean   remove what was built here"

demo: $(VENV)/installed
	@$(MAKE) --no-print-directory $(VENDOR)/installed || \
		echo "The SPARQL editor's libraries could not be fetched; its page keeps its plain form."
	$(BIN)/vaven demo --port $(PORT)

test: $(VENV)/installed-test $(VENDOR)/installed system-packages lint
	$(BIN)/python -m pytest -n $$(nproc) --dist loadscope --no-loadscope-reorder

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p build/lint/vaven
	@for room in $(ROOMS); do ln -sfn ../../../$$room build/lint/vaven/$$room; done
	$(BIN)/mypy $(foreach room,$(ROOMS),-p vaven.$(room))

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed-test system-packages
	@# Where Python may not write its bytecode, every run would else compile ours anew; pip has compiled the peers'.
	@$(BIN)/python -m compileall -q $(ROOMS)
	$(BIN)/python -m benchmarks

ckan: $(VENV)/installed-test system-packages
	$(BIN)/python -m tests.servers.ckan

SECONDS ?= 1800
fuzz: $(VENV)/installed-test
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)
	$(BIN)/python -m tests.fuzz_queries --seconds $(SECONDS)

clean:
	rm -rf $(VENV) $(VENDOR) node_modules build dist *.egg-info screenshots .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	@# Debian keeps venv and pip in packages of their own.
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@$(BIN)/python -m compileall -q $(ROOMS)
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

# The SPARQL editor's libraries, as their packages have them built. Without them the page keeps its plain form.
MODULES := @zazuko/yasqe/build/yasqe.min.js @zazuko/yasqe/build/yasqe.min.css chart.js/dist/chart.umd.min.js \
	leaflet/dist/leaflet.js leaflet/dist/leaflet.css
$(VENDOR)/installed: package.json package-lock.json
	@command -v npm >/dev/null || \
		{ $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null; }
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@rm -rf $(VENDOR) && mkdir -p $(VENDOR)
	cp $(addprefix node_modules/,$(MODULES)) $(VENDOR)
	@touch $@

# What tests need of Debian: a browser, a font for it to write with, and what Playwright's driver is linked to.
DEBIAN_PACKAGES := chromium fonts-dejavu-core libatomic1 redis-server libreoffice-calc-nogui python3-uno \
	postgresql libmagic1 default-jdk-headless maven virtuoso-opensource-7 wrk
# What the recipes of docs/sparql.md are written in; what R recommends is ten times as large as itself.
LEAN_PACKAGES := curl openssl r-base-core r-cran-httr2 r-cran-jsonlite
EVERY_PACKAGE := $(DEBIAN_PACKAGES) $(LEAN_PACKAGES)
system-packages:
	@dpkg-query -W -f='$${Status}\n' $(EVERY_PACKAGE) 2>/dev/null | grep -c 'ok installed' | grep -qx $(words $(EVERY_PACKAGE)) || \
		{ $(SUDO) apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq $(DEBIAN_PACKAGES) >/dev/null && \
		DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $(LEAN_PACKAGES) >/dev/null; }
