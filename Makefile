# Every way to run, test and check this project. `make` alone prints the targets.

# The first that runs and is new enough; another one: make demo PYTHON=/path/to/python3.12
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV ?= .venv
VENV_DEPLOY ?= .venv-deploy
VENV_INFINITY ?= .venv-infinity
# Index of PyTorch's CPU builds (see "Get Started" on pytorch.org). It is used on Linux without an NVIDIA GPU, where
# the usual build brings gigabytes of CUDA along. Unset: pip takes what its own configuration finds.
TORCH_INDEX ?=
PYTEST_ARGS ?=
PROOF_ARGS ?=
# make bench-encoder BENCH_ARGS="--quick service"
BENCH_ARGS ?=
# Two processes, the tests of a file together; each has a store, a broker and an encoder of its own. Empty: one process.
PYTEST_PARALLEL ?= -n 2 --dist loadfile
# A pip.conf for building images: packages then come from an index of your own.
PIP_CONF ?=
, := ,

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
# make images IMAGES="gateway workers" builds some of them
IMAGES ?= encoder encoder-cuda retriever generator gateway workers cli

BIN = $(VENV)/bin
INSTALL = TORCH_INDEX="$(TORCH_INDEX)" .ci/install "$(PYTHON)" "$(VENV)"
PROTOS = $(wildcard protos/imagerag/v1/*.proto)
GENERATE = PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iprotos --python_out=$(1) --mypy_out=$(1) \
	--grpc_python_out=$(1) --mypy_grpc_out=$(1) $(PROTOS) && rm -f $(1)/imagerag/v1/types_pb2_grpc.py*
GENERATED = .make/protos

.DEFAULT_GOAL := help
.PHONY: help demo test test-deploy test-docker test-faults proof-ingest test-extras test-images images secrets lint proto proto-check bench bench-encoder bench-ingest eval clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1mmake %-13s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.installed-up  ## the whole system on real photos; stays until Ctrl-C (DEMO_EXIT=1: checks itself and ends)
	@$(BIN)/imagerag demo

test: lint  ## lint, then unit, integration and end-to-end tests
	@$(BIN)/python -m pytest $(PYTEST_PARALLEL) tests/unit tests/integration tests/e2e $(PYTEST_ARGS)

test-faults: $(VENV)/.installed-dev  ## processes killed under load (minutes)
	@$(BIN)/python -m pytest tests/faults $(PYTEST_ARGS)

# The stamps are fetched once by `apt-get download`. make proof-ingest PROOF_ARGS="PDF video" takes some sources.
proof-ingest: $(VENV)/.installed-dev  ## large sources into a fresh cluster by one command each, each proven (minutes)
	@$(BIN)/python -m tests.faults.proof_of_sources $(PROOF_ARGS)

# Its own environment (checkov pins much), and none of the fixtures of the other tests (--confcutdir).
test-deploy: $(VENV_DEPLOY)/.installed  ## manifests, images and compose file, without a cluster or Docker
	@PYTHONPATH=protos $(VENV_DEPLOY)/bin/python -m pytest --confcutdir=tests/deploy tests/deploy $(PYTEST_ARGS)

test-docker: $(VENV)/.installed-dev  ## images built, the compose cluster, real servers; skips what has no Docker (minutes)
	@$(BIN)/python -m pytest -s --real-servers tests/docker tests/integration $(PYTEST_ARGS)

test-images:  ## the images' packages and commands on a read-only root, without Docker (root on Linux; minutes)
	@TORCH_INDEX="$(TORCH_INDEX)" .ci/check-images "$(PYTHON)"

images:  ## container images of every deployable, tagged with the version (Docker)
	@for target in $(IMAGES); do \
		echo "imagerag-$$target:$(VERSION)"; \
		DOCKER_BUILDKIT=1 docker build --file deploy/docker/Dockerfile --target $$target --tag imagerag-$$target:$(VERSION) \
			--build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) \
			$(if $(TORCH_INDEX),--build-arg TORCH_INDEX="$(TORCH_INDEX)") $(if $(PIP_CONF),--secret id=pip$(,)src=$(PIP_CONF)) . \
			|| exit 1; \
	done

secrets:  ## passwords and a first API key for docker compose, in ./secrets
	@deploy/docker/secrets.sh

test-extras:  ## each extra alone in a fresh environment starts its service (minutes)
	@.ci/check-machine "$(PYTHON)" 10
	@TORCH_INDEX="$(TORCH_INDEX)" .ci/check-extras "$(PYTHON)"

lint: $(VENV)/.installed-dev proto-check  ## ruff, mypy, import contracts, generated code
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

proto: $(VENV)/.installed-dev  ## generate the stubs beside their protos
	@$(call GENERATE,protos)

proto-check: $(VENV)/.installed-dev  ## the committed stubs are those of the protos
	@rm -rf $(GENERATED) && mkdir -p $(GENERATED)
	@$(call GENERATE,$(GENERATED))
	@for file in $(GENERATED)/imagerag/v1/*; do \
		cmp -s $$file protos/imagerag/v1/$${file##*/} || { echo "$${file##*/} is not up to date: run make proto"; exit 1; }; \
	done

bench: $(VENV)/.installed-dev  ## throughput and latency beside bare loops
	@$(BIN)/python -m benchmarks

bench-encoder: $(VENV)/.installed-dev $(VENV_INFINITY)/.installed  ## the encoder beside bare forward passes and infinity-emb
	@$(BIN)/python -m benchmarks.encoder --infinity $(VENV_INFINITY)/bin/infinity_emb $(BENCH_ARGS)

bench-ingest: $(VENV)/.installed-dev  ## ingestion: 20,000 pictures beside the bound of the cores, and beside a loop
	@$(BIN)/python -m benchmarks.ingest $(BENCH_ARGS)

eval: $(VENV)/.installed-up  ## retrieval quality on 538 public pictures
	@$(BIN)/imagerag eval

clean:  ## remove the environment and caches, never data
	rm -rf $(VENV) $(VENV_DEPLOY) $(VENV_INFINITY) .make .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.installed-up: pyproject.toml constraints.txt .ci/install
	@.ci/check-machine "$(PYTHON)" 5
	@$(INSTALL) up
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt .ci/install
	@.ci/check-machine "$(PYTHON)" 5
	@$(INSTALL) dev
	@touch $(VENV)/.installed-up $@

$(VENV_DEPLOY)/.installed: tests/deploy/requirements.txt tests/deploy/constraints.txt .ci/install-deploy
	@.ci/check-machine "$(PYTHON)" 2
	@.ci/install-deploy "$(PYTHON)" "$(VENV_DEPLOY)"
	@touch $@

$(VENV_INFINITY)/.installed: benchmarks/encoder/infinity-constraints.txt .ci/install-infinity
	@.ci/check-machine "$(PYTHON)" 5
	@TORCH_INDEX="$(TORCH_INDEX)" .ci/install-infinity "$(PYTHON)" "$(VENV_INFINITY)"
	@touch $@
