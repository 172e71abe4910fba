# Needs Python 3.11 or newer (PYTHON=python3.12 to choose another one) and nothing else.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BASE_IMAGES ?= deploy/aws/base-images.env
GPU_VENV := .venv-gpu
GPU_STAMP := $(GPU_VENV)/.installed
export DAGSTER_HOME ?= $(CURDIR)/.dagster
export DAGSTER_DISABLE_TELEMETRY := yes

.PHONY: setup demo demo-aws images dev test test-slow test-gpu-plans lint format benchmark clean

setup: $(STAMP) $(DAGSTER_HOME)/dagster.yaml

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[cpu,dev]'
	touch $@

$(DAGSTER_HOME)/dagster.yaml: dagster.yaml
	mkdir -p $(DAGSTER_HOME)
	cp dagster.yaml $@

# Idempotent: the same seed makes the same files, and a file that is known is not taken in twice.
demo: setup
	$(BIN)/fraud-assets simulate --rows 200000 --days 60 --rings 200 --seed 7 --files 2 --out build/demo
	$(BIN)/fraud-assets land build/demo/*.csv --feed sim
	$(BIN)/fraud-assets run
	@echo
	@echo "Now 'make dev' shows these assets on http://127.0.0.1:3000"

# The same path with the lake in S3 and the heavy steps on Batch, both on this machine.
demo-aws: setup
	$(BIN)/python benchmarks/demo_aws.py

# Needs a container engine, and the digest of the base image in deploy/aws/base-images.env.
images:
	@. ./$(BASE_IMAGES); \
	if [ -z "$$BASE_DIGEST" ]; then \
		echo "$(BASE_IMAGES): BASE_DIGEST is empty; its head says how to fill it in" >&2; \
		exit 2; \
	fi; \
	for image in cpu gpu; do \
		with="--file deploy/aws/$$image.Dockerfile --build-arg BASE_IMAGE=$$BASE_IMAGE"; \
		with="$$with --build-arg BASE_DIGEST=$$BASE_DIGEST"; \
		docker build $$with --tag fraud-assets-$$image . || exit 1; \
		docker build $$with --target sagemaker --tag fraud-assets-sagemaker-$$image . || exit 1; \
	done

dev: setup
	$(BIN)/dagster dev --workspace workspace.yaml --host 127.0.0.1 --port 3000

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Threads are held at one a worker: two cores shared by two workers gain nothing from more.
test: lint
	OMP_NUM_THREADS=1 POLARS_MAX_THREADS=2 $(BIN)/pytest --numprocesses 2 --dist worksteal -m 'not slow'

# What make test leaves out: whole runs that are killed, damaged or fed bad files, case by case.
test-slow: setup
	OMP_NUM_THREADS=1 POLARS_MAX_THREADS=2 $(BIN)/pytest --numprocesses 2 --dist worksteal -m slow

# Opt-in: 9 GB of RAPIDS wheels in an environment of their own, and no GPU needed; see docs/gpu.md.
# The second line: the loops that Numba compiles, with the older version that RAPIDS asks for.
test-gpu-plans: $(GPU_STAMP)
	$(GPU_VENV)/bin/pytest tests/gpu
	$(GPU_VENV)/bin/pytest tests/graph tests/models/test_anomaly.py

$(GPU_STAMP): pyproject.toml constraints-gpu.txt
	test -x $(GPU_VENV)/bin/python || $(PYTHON) -m venv $(GPU_VENV)
	$(GPU_VENV)/bin/python -m pip install --quiet --constraint constraints-gpu.txt --editable '.[gpu,dev]'
	touch $@

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: setup
	$(BIN)/python benchmarks/pipeline.py

clean:
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -type d -exec rm -rf {} +
