# Two commands matter: `make serve` reads the book, `make test` proves it. `make help` lists the rest.
# Everything is installed into .venv from requirements.lock, which pins each file by its hash.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests at once, twice two cores: each waits for its own server and browser, and half of the time.
WORKERS ?= 4

# The first Python on the machine that is new enough and can make a virtual environment.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)

# An environment that lacks something is no environment: what was cut off, or lost, is made anew.
ifneq ($(shell $(BIN)/python .make/whole.py >/dev/null 2>&1 && echo whole),whole)
$(shell rm -f $(READY))
endif

# A kernel for each reader, and some hundred processes of the tests, read what was compiled once,
# also where the machine asks Python to keep no bytecode.
export PYTHONDONTWRITEBYTECODE :=

# Without this JupyterLab asks another host whether there is a newer one.
LAB = --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate

.PHONY: serve lab test setup book pdf notebooks lint bench wheel peers lock clean help

serve: $(READY) ## read the book and use the apps at http://127.0.0.1:8866/ (PORT=9000 takes another port)
	@exec $(BIN)/python -m widgets.server $(if $(PORT),--port $(PORT))

lab: $(READY) ## run the cells yourself: chapter 1 in JupyterLab (PORT=9000 takes another port)
	@exec $(BIN)/python -m jupyterlab $(LAB) $(if $(PORT),--port $(PORT)) \
		--ServerApp.root_dir=book book/1-law.ipynb

test: $(READY) ## run every test: unit, notebooks, browser
	$(BIN)/python -m pytest -q -rs --no-fold-skipped -n $(WORKERS) --dist worksteal

setup: $(READY) ## make .venv and install into it, nothing else

$(READY): requirements.lock pyproject.toml package-lock.json
	@.make/setup "$(PYTHON)" $(VENV)

book: $(READY) ## build the book into _build/html, if anything that goes into it changed
	@$(BIN)/python -m widgets.pages.build

pdf: $(READY) ## the book as _build/llmcap.pdf, printed by Chromium
	@$(BIN)/python -m widgets.pages.pdf

notebooks: $(READY) ## run the chapters again and keep their text outputs
	@$(BIN)/python -m widgets.pages.notebooks

lint: $(READY) ## style, types and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

bench: $(READY) ## measure every claim again, other tools beside ours, and write the page How good is it?
	@$(BIN)/python benchmarks/proof.py $(if $(ONLY),--only $(ONLY))

peers: $(READY) ## pin the other tools anew: their packages, by hash, from the version each file names
	@for f in benchmarks/peers/*.lock; do n=$$(basename $$f .lock); \
		grep -m1 -o "^$$n==[^ ]*" $$f | $(BIN)/uv pip compile - --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --quiet --output-file $$f || exit 1; done

wheel: $(READY) ## the wheel and the source distribution in dist/
	@rm -rf dist
	@$(BIN)/uv build --quiet --offline --no-build-isolation --no-create-gitignore --python $(BIN)/python

# No header, no origin notes, no index address: the file says what, never from where.
lock: $(READY) ## resolve pyproject.toml anew into requirements.lock
	$(BIN)/uv pip compile pyproject.toml --all-extras --group build --universal \
		--python-version 3.11 --generate-hashes --upgrade --no-header --no-annotate \
		--no-emit-index-url --quiet --output-file requirements.lock

clean: ## remove what was built (not .venv)
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST)
