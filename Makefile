# `make help` lists what there is. `make demo` and `make test` set up all that they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
NNCF := benchmarks/peers/.venvs/nncf
ONNX2TF := benchmarks/peers/.venvs/onnx2tf
LITERT_TORCH := benchmarks/peers/.venvs/litert-torch
.DEFAULT_GOAL := help

.PHONY: help demo test test-all test-torch lint format benchmarks simulations bench-store peers peers-nncf peers-convert peers-onnx2tf peers-litert-torch scoreboard clean docs

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-18s %s\n", $$1, $$2}'

demo: .venv/base  ## run the main job on the model that ships: quantize, measure, compare, judge
	$(BIN)/edgeopt demo

test: .venv/test  ## run the fast tests
	$(BIN)/python -m pytest -n auto

test-all: .venv/test  ## run all tests that need no board
	$(BIN)/python -m pytest -n auto -m "not device and not peers"

test-torch: .venv/torch  ## run the tests of models/ and of exports that need torch (a CPU build: see the README)
	$(BIN)/python -m pytest tests/models tests/steps/export tests/workflow/test_convert.py

lint: .venv/dev  ## check style, types and the floors of the architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/dev  ## generate docs/cli.md from the commands' own help
	$(BIN)/python docs/generate.py

benchmarks: .venv/dev  ## measure edgeopt itself: start-up, cost of quantize, overhead and noise of bench
	$(BIN)/python -m pytest benchmarks --benchmark-only -q
	$(BIN)/python benchmarks/noise.py --repeats 20

simulations: .venv/dev  ## simulate what the verdicts promise: level, power and coverage (minutes)
	$(BIN)/python benchmarks/judge/run.py --write

bench-store: .venv/dev  ## load the record: 10,000 runs listed, 8 writers at once, 100 kills; writes docs/results/store.md
	$(BIN)/python benchmarks/store/run.py --write

peers: .venv/dev peers-nncf  ## compare with rivals on the same work in the same run; writes docs/results/peers-*.md
	$(BIN)/python benchmarks/peers/run.py all --nets benchmarks/peers/.nets --keep benchmarks/peers/.keep --write

peers-nncf: $(NNCF)/made  ## set up NNCF in an environment of its own (460 MB), for `make peers`

$(NNCF)/made: benchmarks/peers/requirements-nncf.txt
	$(PYTHON) -m venv $(NNCF)
	$(NNCF)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

peers-convert: .venv/dev  ## compare conversions to TFLite with the tools that are set up; writes docs/results/peers-convert.md
	$(BIN)/python benchmarks/tflite/peers.py --nets benchmarks/peers/.nets --write

peers-onnx2tf: $(ONNX2TF)/made  ## set up onnx2tf (660 MB) for `make peers-convert`; give Python 3.12 or newer by PYTHON=

$(ONNX2TF)/made: benchmarks/peers/requirements-onnx2tf.txt
	$(PYTHON) -m venv $(ONNX2TF)
	$(ONNX2TF)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

peers-litert-torch: $(LITERT_TORCH)/made  ## set up litert-torch (2 GB) for `make peers-convert`

$(LITERT_TORCH)/made: benchmarks/peers/requirements-litert-torch.txt
	$(PYTHON) -m venv $(LITERT_TORCH)
	$(LITERT_TORCH)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(LITERT_TORCH)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

scoreboard: .venv/dev  ## convert every case of the onnx package's own tests to TFLite; writes docs/results/tflite-scoreboard.md
	$(BIN)/python benchmarks/tflite/scoreboard.py --write

clean:  ## remove all that was made here
	rm -rf .venv benchmarks/peers/.venvs benchmarks/peers/.nets benchmarks/peers/.keep .edgeopt edgeopt-demo build dist *.egg-info

# Each level of set-up is a stamp file that is older than none of what it is made from.
.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("edgeopt needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv

.venv/base: .venv/bin/python setup.py pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/test: .venv/base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

.venv/torch: .venv/test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[torch]'
	@touch $@

.venv/dev: .venv/test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
