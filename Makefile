# Two commands do everything: `make demo` and `make test`. Both set up what they need on a bare Debian 12.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
PORT ?= 8000
FLOORS := build/floors
ROOMS := vocab schemas publisher catalogue
VENDOR := catalogue/static/vendor
# Root installs Debian packages as it is, anybody else through sudo.
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# A file's tests share a process, so that its fixtures start once.
PARALLEL := -n $$(nproc) --dist loadscope --no-loadscope-reorder

.PHONY: help demo test test-environment test-floors quick lint format bench ckan fuzz mutants clean system-packages

help:
	@echo "make demo    set up, publish the sample submission, serve it on http://127.0.0.1:$(PORT)"
	@echo "make test    install the test environment, lint, run all tests"
	@echo "make quick   lint and the fast tests, which need the Python packages alone: under three minutes on two cores"
	@echo "make lint    ruff and mypy"
	@echo "make format  let ruff format the code"
	@echo "make bench   run the benchmarks"
	@echo "make test-floors       the fast tests with the lowest versions that setup.cfg allows"
	@echo "make test-environment  everything that tests need: Debian packages, CKAN, Solr, Fuseki, a browser"
	@echo "make ckan    a real CKAN on http://127.0.0.1:5000 to push to, until Ctrl-C"
	@echo "make fuzz    mutated files for every reader, mutated queries, 30 minutes each (SECONDS=1800), 10,000 cube queries on two engines, changed cells, hostile uploads, attacks on suppressed counts"
	@echo "make mutants changes of each rule of the SPARQL translator, of which the corpus of queries must notice one"
	@echo "make clean   remove what was built here"

demo: $(VENV)/installed
	@$(MAKE) --no-print-directory $(VENDOR)/installed || \
		echo "The SPARQL editor's libraries could not be fetched; its page keeps its plain form."
	$(BIN)/vaven demo --port $(PORT)

test: test-environment lint
	$(BIN)/python -m pytest $(PARALLEL) --durations=30

# tests/conftest.py lists its files.
quick: lint
	$(BIN)/python -m pytest $(PARALLEL) -q -m quick

test-floors: $(FLOORS)/installed
	$(FLOORS)/bin/python -m pytest $(PARALLEL) -q -m quick tests/vocab tests/schemas tests/publisher

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p build/lint/vaven
	@for room in $(ROOMS); do ln -sfn ../../../$$room build/lint/vaven/$$room; done
	$(BIN)/mypy $(foreach room,$(ROOMS),-p vaven.$(room))

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: test-environment
	@# Where Python may not write its bytecode, every run would else compile ours anew; pip has compiled the peers'.
	@$(BIN)/python -m compileall -q $(ROOMS)
	$(BIN)/python -m benchmarks

ckan: test-environment
	$(BIN)/python -m tests.servers.ckan

SECONDS ?= 1800
fuzz: $(VENV)/installed-test
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)
	$(BIN)/python -m tests.fuzz_queries --seconds $(SECONDS)
	$(BIN)/python -m tests.fuzz_cube
	EXAMPLES_TIMES=30 $(BIN)/python -m pytest -q --timeout=3600 tests/schemas/test_cell_account.py \
		tests/schemas/test_cell_account_formats.py tests/schemas/test_changed_cells.py
	$(BIN)/python -m tests.hostile_uploads
	$(BIN)/python -m tests.attack
	$(BIN)/python -m tests.attack --unprotected --submissions 20

mutants: $(VENV)/installed-test
	$(BIN)/python -m tests.mutants

clean:
	rm -rf $(VENV) $(VENDOR) node_modules build dist *.egg-info screenshots .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	@echo "Python environment in $(VENV): the program and its dependencies"
	@# Debian keeps venv and pip in packages of their own.
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@$(BIN)/python -m compileall -q $(ROOMS)
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	@echo "Python environment in $(VENV): packages for tests"
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

# The SPARQL editor's and charts' libraries, as built by their packages. Without them the pages keep their plain form.
MODULES := @zazuko/yasqe/build/yasqe.min.js @zazuko/yasqe/build/yasqe.min.css chart.js/dist/chart.umd.min.js \
	leaflet/dist/leaflet.js leaflet/dist/leaflet.css
$(VENDOR)/installed: package.json package-lock.json
	@echo "JavaScript libraries of the pages, from npm"
	@command -v npm >/dev/null || \
		{ $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null; }
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@rm -rf $(VENDOR) && mkdir -p $(VENDOR)
	cp $(addprefix node_modules/,$(MODULES)) $(VENDOR)
	@touch $@

# The lowest versions of the direct dependencies that setup.cfg allows, with what their tests import.
UV := uv==0.13.9
FLOOR_TOOLS := pytest pytest-timeout pytest-xdist hypothesis playwright msoffcrypto-tool psycopg psycopg-binary
$(FLOORS)/installed: setup.cfg pyproject.toml
	@echo "Python environment in $(FLOORS): the lowest versions that setup.cfg allows"
	@rm -rf $(FLOORS)
	$(PYTHON) -m venv $(FLOORS)
	$(FLOORS)/bin/python -m pip install -q --disable-pip-version-check '$(UV)'
	$(FLOORS)/bin/uv pip compile -q --resolution lowest-direct --python $(FLOORS)/bin/python setup.cfg \
		-o $(FLOORS)/requirements.txt
	$(FLOORS)/bin/uv pip install -q --python $(FLOORS)/bin/python -r $(FLOORS)/requirements.txt \
		$(foreach tool,$(FLOOR_TOOLS),$(shell grep -i '^$(tool)==' constraints.txt))
	$(FLOORS)/bin/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@cp setup.cfg $@

# Everything that tests need beside the repository. A test installs nothing: it fails where its part is missing, which
# it tells by the stamp file `installed`, a copy of the sources of the part.
CKAN_VERSIONS := 2.10 2.11 2.12
PARTS := $(VENV)/installed-test $(VENDOR)/installed build/ckan/solr/installed \
	$(foreach version,$(CKAN_VERSIONS),build/ckan/venv-$(version)/installed build/ckan/database-$(version)/installed) \
	build/fuseki/installed build/peers/morph-kgc/installed build/wheels/installed \
	build/started/chromium build/started/libreoffice
test-environment: system-packages $(PARTS)
	@echo "The test environment is complete."

# Debian packages: a browser, a font for it to write with, what Playwright's driver is linked to, and servers.
DEBIAN_PACKAGES := chromium fonts-dejavu-core libatomic1 redis-server libreoffice-calc-nogui python3-uno \
	postgresql libmagic1 default-jdk-headless maven virtuoso-opensource-7 wrk git
# The languages of the recipes in docs/sparql.md; the packages that R recommends are ten times as large as R itself.
LEAN_PACKAGES := curl openssl r-base-core r-cran-httr2 r-cran-jsonlite
EVERY_PACKAGE := $(DEBIAN_PACKAGES) $(LEAN_PACKAGES)
system-packages:
	@dpkg-query -W -f='$${Status}\n' $(EVERY_PACKAGE) 2>/dev/null | grep -c 'ok installed' | grep -qx $(words $(EVERY_PACKAGE)) || { \
		echo "Debian packages: $(EVERY_PACKAGE)" && \
		$(SUDO) apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq $(DEBIAN_PACKAGES) >/dev/null && \
		DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $(LEAN_PACKAGES) >/dev/null; }

CKAN := tests/servers/ckan
# Without resolving: CKAN requires psycopg2, which has no wheel; psycopg2-binary is the same code, compiled.
build/ckan/venv-%/installed: $(CKAN)/requirements-%.txt | $(VENV)/installed-test
	@echo "CKAN $*: its Python environment"
	@rm -rf $(@D)
	$(BIN)/python -m venv $(@D)
	$(@D)/bin/python -m pip install -q --disable-pip-version-check --no-deps -r $<
	@cat $< > $@

build/ckan/database-%/installed: $(CKAN)/requirements-%.txt $(CKAN)/ckan.ini build/ckan/venv-%/installed | system-packages
	@echo "CKAN $*: the databases of an empty instance"
	$(BIN)/python -m tests.servers.ckan.database $* $(@D)
	@cat $(wordlist 1,2,$^) > $@

MAVEN := mvn -q -B dependency:copy-dependencies
build/ckan/solr/installed: $(CKAN)/pom.xml $(CKAN)/Solr.java | system-packages
	@echo "Solr, from Maven Central"
	@rm -rf $(@D)
	$(MAVEN) -f $< -DoutputDirectory=$(CURDIR)/$(@D) >/dev/null
	javac -cp '$(@D)/*' -d $(@D)/classes $(CKAN)/Solr.java
	@cat $^ > $@

build/fuseki/installed: tests/servers/graph/pom.xml | system-packages
	@echo "Fuseki, from Maven Central"
	@rm -rf $(@D)
	$(MAVEN) -f $< -DoutputDirectory=$(CURDIR)/$(@D) >/dev/null
	@cat $< > $@

build/peers/morph-kgc/installed: benchmarks/requirements-morph-kgc.txt | $(VENV)/installed-test
	@echo "morph-kgc, which the emission is measured against: its Python environment"
	@rm -rf $(@D)
	$(BIN)/python -m venv $(@D)
	$(@D)/bin/python -m pip install -q --disable-pip-version-check -r $<
	@cat $< > $@

build/wheels/installed: tests/whole/requirements-wheel.txt | $(VENV)/installed-test
	@echo "Wheels that the test of our own wheel installs"
	@rm -rf $(@D)
	$(BIN)/python -m pip download -q --disable-pip-version-check --no-deps -d $(@D) -r $<
	@cat $< > $@

# Their first start on a machine reads hundreds of megabytes from disk.
build/started/chromium: | system-packages
	@echo "Chromium: its first start"
	@profile=$$(mktemp -d); trap "rm -rf $$profile" EXIT; \
		timeout 300 chromium --headless --no-sandbox --disable-gpu --user-data-dir=$$profile --dump-dom about:blank >/dev/null 2>&1
	@mkdir -p $(@D) && touch $@

build/started/libreoffice: | system-packages
	@echo "LibreOffice: its first start"
	@profile=$$(mktemp -d); trap "rm -rf $$profile" EXIT; printf 'a,b\n' > $$profile/a.csv; \
		timeout 300 soffice --headless -env:UserInstallation=file://$$profile/user --convert-to xlsx \
		--outdir $$profile $$profile/a.csv >/dev/null 2>&1
	@mkdir -p $(@D) && touch $@
