# `make run` starts Model Atlas, `make test` tests it. Both install what they need; both may be run again at any time.

PYTHON ?= python3
PORT ?= 8501
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .cache/npm
AXE := axe-core@4.14.1

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PYTHONDONTWRITEBYTECODE =

.PHONY: run serve assets dev test test-fast lint types bench train screenshots clean
.DEFAULT_GOAL := run

run: $(VENV)/.run assets serve

serve:
	@echo "Model Atlas: http://localhost:$(PORT)"
	@$(BIN)/streamlit run app.py --server.port $(PORT)

# What cannot be fetched now is named on its page, with this command; the app starts all the same.
assets: $(VENV)/.run
	@$(BIN)/python -m assets fetch || echo "The app starts without them: the shipped models are always there."

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Model Atlas needs Python 3.11 or newer.")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements.txt $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@ $(VENV)/.run

$(TOOLS)/node_modules/axe-core/axe.min.js:
	npm install --silent --no-save --no-package-lock --no-audit --no-fund --prefix $(TOOLS) $(AXE)

dev: $(VENV)/.dev $(TOOLS)/node_modules/axe-core/axe.min.js
	@sh tests/browser/install.sh $(BIN)/python

test: dev lint types assets
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests

test-fast: $(VENV)/.dev lint types
	$(BIN)/python -m pytest -n 2 tests/unit tests/pages

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

bench: dev assets
	$(BIN)/python -m bench

train: $(VENV)/.dev
	$(BIN)/python -m training.tiny_lm
	$(BIN)/python -m training.position_lm
	$(BIN)/python -m training.tiny_moe
	$(BIN)/python -m training.plane
	$(BIN)/python -m training.scenes
	$(BIN)/python -m training.masked_lm
	$(BIN)/python -m training.vision
	$(BIN)/python -m training.mae
	$(BIN)/python -m training.scene_clip
	$(BIN)/python -m training.scene_encoder
	$(BIN)/python -m training.scene_lm
	$(BIN)/python -m training.scene_vlm
	$(BIN)/python -m training.vq_scenes
	$(BIN)/python -m training.early_fusion
	$(BIN)/python -m training.real_projector

screenshots: dev assets
	$(BIN)/python -m bench.screenshots

clean:
	rm -rf $(VENV) .cache
