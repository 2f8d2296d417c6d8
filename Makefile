# `make` alone lists the targets. Needed beforehand: Python 3.11 to 3.13, git and make; the rest is set up in .venv.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PYTHONUTF8 := 1
unexport JPY_SESSION_NAME  # set in a notebook that JupyterLab opened: what make runs from there is not opened by hand

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
DEMO := data/demo
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))

# The first interpreter that fits, the one asked for before the others.
fits := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
find_python = for python in $(PYTHON) python3.13 python3.12 python3.11; do \
	  "$$python" -c '$(fits)' >/dev/null 2>&1 && break || python=; \
	done

# uv does not read pip's settings: a mirror that is set up for pip is handed on to it.
use_mirror = index="$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true)}"; \
	if [ -n "$$index" ] && [ -z "$$UV_DEFAULT_INDEX$$UV_INDEX_URL" ]; then export UV_DEFAULT_INDEX="$$index"; fi

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: report
report: $(READY)  ## review of the newest demo session; prints where the page is
	@if [ ! -e $(DEMO)/truth.json ]; then $(BIN)/fupan demo $(DEMO); fi
	@$(BIN)/fupan run --latest --data $(DEMO)

# A file's tests stay together in one of two processes.
IN_TWO := -ra -n 2 --dist loadfile --no-loadscope-reorder --durations=8 --durations-min=5

.PHONY: test
test: lint chromium  ## style, then every test but the slow ones: unit, browser and the notebooks themselves
	@$(BIN)/python -m pytest -m "not slow" $(IN_TWO) --nbval-lax --nbval-current-env tests notebooks </dev/null

.PHONY: test-slow
test-slow: $(READY) chromium  ## the tests that take long by nature
	@$(BIN)/python -m pytest -m slow $(IN_TWO) tests </dev/null

.PHONY: fuzz
fuzz: $(READY)  ## throw 2,000 damaged files and 2,000 styles of export at the reader (FUPAN_FUZZ=number for more or fewer)
	@FUPAN_FUZZ=$${FUPAN_FUZZ:-2000} $(BIN)/python -m pytest -q -s tests/clean/test_fuzz.py tests/clean/test_styles.py </dev/null

.PHONY: lab
lab: $(READY)  ## JupyterLab on copies of the notebooks in the workspace (LAB=options of fupan lab and of Jupyter)
	@$(BIN)/fupan lab $(LAB)

.PHONY: kernel
kernel: $(READY)  ## register the kernel fupan, by which papermill of another environment runs the notebooks (KERNEL=options of ipykernel)
	@$(BIN)/python -m ipykernel install --name fupan --display-name "Fupan 复盘" $(or $(KERNEL),--user)

.PHONY: bench
bench: $(READY)  ## measure time and memory on this machine (slow)
	@$(BIN)/python -m pytest -ra -s -o python_files='bench_*.py' tests/benchmarks </dev/null

.PHONY: same
same: $(READY)  ## review with a commit and with the working tree, and name what differs (BASE=commit, else the last one)
	@$(BIN)/python tests/same.py "$(or $(BASE),HEAD)" </dev/null

.PHONY: lint
lint: $(READY)  ## style of the code, and normal form of the notebooks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check helpers tests notebooks setup.py
	@$(BIN)/python tests/notebooks_clean.py --check $(NOTEBOOKS)

.PHONY: notebooks-clean
notebooks-clean: $(READY)  ## bring the notebooks to their normal form before a commit
	@$(BIN)/python tests/notebooks_clean.py $(NOTEBOOKS)

.PHONY: lock
lock: $(READY)  ## make the lock files anew from pyproject.toml (UPGRADE=1: to the newest versions)
	@$(use_mirror); \
	compile() { \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) "$$@"; \
	} && \
	printf 'setuptools>=77\nuv>=0.7\n' | compile --no-annotate -o requirements-bootstrap.lock - && \
	compile --all-extras -o requirements.lock pyproject.toml

.PHONY: clean
clean:  ## remove caches and the demo workspace (never your data, plans or reports)
	@rm -rf $(DEMO) build .pytest_cache .ruff_cache .hypothesis
	@find helpers tests notebooks -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

# Environment: a plain venv; the bootstrap lock brings uv and the build backend; uv installs the lock, then this
# package. Every download is checked against a hash.
$(READY): requirements-bootstrap.lock requirements.lock pyproject.toml
	@if ! $(BIN)/python -c '$(fits); import pip' >/dev/null 2>&1; then \
	  $(find_python); \
	  if [ -z "$$python" ]; then \
	    echo "Fupan needs Python 3.11, 3.12 or 3.13; $(PYTHON) is: $$($(PYTHON) --version 2>&1 || true)." >&2; \
	    echo "Install one of them, or name it: make PYTHON=/path/to/python3.12" >&2; \
	    exit 1; \
	  fi; \
	  echo "Setting up .venv with $$("$$python" --version) (a minute or two, once)"; \
	  "$$python" -m venv --clear .venv; \
	fi
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-bootstrap.lock
	@$(use_mirror); \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock && \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

# The browser tests open the report in Chromium: a machine without one gets it, and is not silently let off.
browsers := $(CHROMIUM) chromium chromium-browser google-chrome
.PHONY: chromium
chromium:
	@for browser in $(browsers); do command -v $$browser >/dev/null 2>&1 && exit 0; done; \
	if [ "$$ALLOW_NO_BROWSER" = 1 ]; then echo "No Chromium: the browser tests will be skipped."; exit 0; fi; \
	echo "Installing Chromium for the browser tests"; \
	root=; [ "$$(id -u)" = 0 ] || root="sudo -n"; \
	if command -v apt-get >/dev/null 2>&1 && \
	  $$root apt-get update -qq </dev/null && \
	  $$root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium </dev/null \
	    >/dev/null; \
	then exit 0; fi; \
	echo "No Chromium, and it could not be installed. Install it, or: make test ALLOW_NO_BROWSER=1" >&2; exit 1
