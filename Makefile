# `make help` prints the comment that follows a target.
.DEFAULT_GOAL := help
.PHONY: help app test check format bench soak fuzz reproduce backup wheelhouse lock licences audit runtime dev

HOST ?= 127.0.0.1
PORT ?= 8501
TESTS ?= quick
ARGS ?=
SECONDS ?= 60

# The first Python on the path that is new enough; an old or missing one is explained below.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
RUN := .venv/bin/python

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

app: runtime ## set up and open the app (HOST=127.0.0.1 PORT=8501; another HOST wants users: docs/access.md)
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then headless=false; else headless=true; fi; \
	$(RUN) -m umt_core users check --address "$(HOST)" || exit 2; \
	exec $(RUN) -m streamlit run app/streamlit_app.py --server.address $(HOST) --server.port $(PORT) \
		--server.headless $$headless --server.showEmailPrompt false

test: dev ## set up and run the quick tests (TESTS=all: slow ones too; TESTS=path: these)
	$(RUN) -m pytest $(if $(filter quick,$(TESTS)),-m "not slow",$(filter-out all,$(TESTS))) $(ARGS)

check: dev ## lint, formatting and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: dev ## format the code and mend what ruff can mend
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

bench: dev ## measure speed and memory, write benchmarks/results/latest.json
	$(RUN) -m benchmarks

soak: dev ## an hour of mixed use by ten annotators in browsers (MINUTES=60 ANNOTATORS=10), benchmarks/results/soak.json
	$(RUN) -m benchmarks.soak --minutes $(or $(MINUTES),60) --annotators $(or $(ANNOTATORS),10)

fuzz: dev ## feed damaged and hostile input to all that reads some (SECONDS=60 of each target; ARGS="--keep zip")
	$(RUN) -m fuzz --seconds $(SECONDS) $(ARGS)

reproduce: runtime ## train and score the paper's systems (DATA=folder ABOUT="what the pictures are" ARGS="--output runs/NAME"); can be stopped
	OMP_WAIT_POLICY=PASSIVE $(RUN) -m umt_core reproduce $(if $(DATA),--data "$(DATA)") $(if $(ABOUT),--about-images "$(ABOUT)") $(ARGS)

backup: runtime ## corrections, own data, retrained checkpoints and users into one file (FILE=backups/<time>.tar)
	$(RUN) -m umt_core backup create --output "$(or $(FILE),backups/$(shell date -u +%Y%m%dT%H%M%SZ).tar)"

wheelhouse: runtime ## the app's packages into DIR=wheelhouse, for a machine without network (docs/operating.md)
	$(RUN) -m pip download --disable-pip-version-check --require-hashes -r requirements.txt -d "$(or $(DIR),wheelhouse)"
	$(RUN) -m pip download --disable-pip-version-check -d "$(or $(DIR),wheelhouse)" setuptools wheel

lock: ## pin again what pyproject.toml asks for (needs uv)
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" \
		pyproject.toml -o requirements.txt
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" \
		pyproject.toml --extra dev -c requirements.txt -o requirements-dev.txt
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" \
		pyproject.toml --extra postgres --extra oidc -c requirements.txt -o deploy/requirements.txt

licences: dev ## list the licences of what the app runs on in docs/licences.md
	$(RUN) tools/licences.py --write

audit: dev ## look up known vulnerabilities of what is pinned (asks osv.dev; tools/audit.toml says what does not touch us)
	$(RUN) tools/audit.py $(ARGS)

runtime dev:
	@if [ -z "$(PYTHON)" ]; then echo "wanted Python 3.11 or newer on the path, found none;" \
		"on Debian: apt-get install python3 python3-venv" >&2; exit 1; fi
	@"$(PYTHON)" tools/environment.py requirements$(if $(filter dev,$@),-dev).txt
