.DEFAULT_GOAL := help
.PHONY: help demo test bench lint format lock up down clean

# One file each for what is installed; written last, so a half-finished install is done again.
RUN := .venv/.installed-demo
DEV := .venv/.installed-dev

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 16

demo: $(RUN) ## Start Calsync with a local Calendly and all it writes to; nothing to configure
	@.venv/bin/python manage.py demo

test: $(DEV) ## Lint, types, and the suite on every database this machine has
	@.venv/bin/python .ci/test.py

bench: $(DEV) ## Measure a backfill, writing it to Salesforce, the admin and rules at a million bookings (10 GB); on PostgreSQL where DATABASE_URL names a server
	@.venv/bin/python -m tests.bench.backfill
	@.venv/bin/python -m tests.bench.salesforce
	@.venv/bin/python -m tests.bench.admin
	@.venv/bin/python -m tests.bench.rules

lint: $(DEV) ## Format, lint, types, import rules, migrations, deploy checks
	@.ci/lint

format: $(DEV) ## Format the code, and repair what can be repaired
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .

lock: $(DEV) ## Write the lock files from pyproject.toml
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@.ci/lock

up: ## Build and start everything with Docker Compose
	docker compose up --build --detach --wait

down: ## Stop what `make up` started; the data stays
	docker compose down

clean: ## Remove the virtual environment and caches; var/ stays
	rm -rf .venv .cache .coverage htmlcov .hypothesis .import_linter_cache var/test
	find bookings config integrations tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN): requirements-demo.lock
	@.ci/install requirements-demo.lock
	@touch $@

# The development lock holds everything the demo's does.
$(DEV): requirements-dev.lock
	@.ci/install requirements-dev.lock
	@touch $@ $(RUN)
