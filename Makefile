# Every target explains itself: make help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

.DEFAULT_GOAL := help
# What runs for long begins first, so that no process is left with it at the end.
LONG_FIRST := tests/chaos tests/compatibility tests/db/test_upgrades.py tests/deploy tests/acceptance tests/ops tests/browser tests/localstack
FAST := tests/core tests/db tests/removal tests/photos tests/worker tests/producer tests/quote tests/actions
# Where modules are not kept compiled, each of the hundreds of processes that the tests start compiles them anew.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help install demo test test-fast bench bench-peers hostile chaos lint lock audit compose-test screenshots clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(STAMP)-runtime ## Make .venv with .venv/bin/cleanplate in it

demo: $(STAMP)-demo ## Clean a sample catalogue of 24 photos on embedded servers; costs nothing
	@$(BIN)/cleanplate demo

test: $(STAMP)-dev ## Run the whole test suite on embedded servers, four processes at a time
	@$(BIN)/python -m pytest $(LONG_FIRST) tests -n 4

test-fast: $(STAMP)-dev ## Run what one runs while working: rules, queries, actions, and the pipeline against the sandbox in-process
	@$(BIN)/python -m pytest $(FAST) -n 2 -m "not slow"

bench: $(STAMP)-dev ## Measure quota, latency, rows/s and CPU on this machine, and write bench/RESULTS.md; never fails
	@$(BIN)/python -m bench --write

bench-peers: $(STAMP)-dev $(VENV)-peers/.stamp ## Measure ours beside dramatiq, arq, taskiq, RQ and an asyncio script (QUICK=1: three minutes)
	@$(BIN)/python -m bench.versus --write $(if $(QUICK),--quick)

hostile: $(STAMP)-dev ## Let all that is known to hurt loose on web and decoders, a row each; fails when a bound is not kept
	@$(BIN)/python -m bench.hostile

chaos: $(STAMP)-dev ## Put 2,000 photos under fire, with servers and workers hurt at random (SEED=n, SEEDS=n)
	@$(BIN)/python -m bench.chaos $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS))

lint: $(STAMP)-dev ## Style, types and import rules
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

compose-test: ## Build the images and run docker-compose.yml for real, with podman (as root; needs podman, runc, debootstrap)
	@$(PYTHON) -m venv $(VENV)-compose
	@$(VENV)-compose/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/compose.txt
	@PODMAN_COMPOSE=$(CURDIR)/$(VENV)-compose/bin/podman-compose bash deploy/compose_test.sh

audit: ## Look the pinned packages up among known vulnerabilities (asks the package index; AUDIT=-s osv asks osv.dev)
	@$(PYTHON) -m venv $(VENV)-audit
	@$(VENV)-audit/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/audit.txt
	@for each in runtime image demo; do \
		echo "requirements/$$each.txt"; \
		$(VENV)-audit/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off $(AUDIT) -r requirements/$$each.txt || exit 1; \
	done

screenshots: $(STAMP)-dev ## Take the README's pictures of the console and the report anew (needs chromium)
	@$(BIN)/python docs/make_screenshots.py

lock: ## Pin every dependency with its hashes anew (needs uv)
	uv pip compile -q --upgrade pyproject.toml $(LOCK_OPTIONS) -o requirements/runtime.txt
	uv pip compile -q pyproject.toml --extra sandbox -c requirements/runtime.txt $(LOCK_OPTIONS) -o requirements/demo.txt
	uv pip compile -q pyproject.toml --all-extras -c requirements/demo.txt $(LOCK_OPTIONS) -o requirements/dev.txt
	uv pip compile -q pyproject.toml --extra alibabacloud --extra look --extra parquet --extra s3 --extra tracing \
		-c requirements/dev.txt $(LOCK_OPTIONS) -o requirements/image.txt
	uv pip compile -q --upgrade requirements/peers.in $(LOCK_OPTIONS) -o requirements/peers.txt
	echo "podman-compose>=1.6" | uv --no-config pip compile -q --upgrade - $(LOCK_OPTIONS) -o requirements/compose.txt
	echo "pip-audit>=2.10" | uv --no-config pip compile -q --upgrade - $(LOCK_OPTIONS) -o requirements/audit.txt

LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
	--custom-compile-command "make lock"

clean: ## Remove what make and the tests made
	rm -rf $(VENV) $(VENV)-audit $(VENV)-compose $(VENV)-peers .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info

# What is downloaded for each, in MB.
MB_runtime := 45
MB_demo := 175
MB_dev := 375

$(VENV)-peers/.stamp: requirements/peers.txt
	@$(PYTHON) -m venv $(VENV)-peers
	@$(VENV)-peers/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

$(STAMP)-%: requirements/%.txt pyproject.toml
	@echo "Installing into $(VENV): $$(grep -o '^[^ =]*==' $< | sort -u | wc -l) packages ($*), about $(MB_$*) MB to download; once, half a minute or more…"
	@test -x $(BIN)/python || { \
		$(PYTHON) -c 'import sys; sys.exit("Cleanplate needs Python 3.11 to 3.13; name one with make PYTHON=python3.12 …" if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)' \
		&& $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
