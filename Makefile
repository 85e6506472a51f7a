# Every target installs what it needs; `make` alone lists the targets.

.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON3 ?= python3
VENV := .venv/bin
# sam build finds the template's Python, its pip and npm on PATH; the Python in sam's own environment has no pip
TOOL_PATH = $(CURDIR)/.venv/bin:$(CURDIR)/.tools/sam/bin:$(CURDIR)/.tools/node/bin:$(PATH)
SAM = PATH="$(TOOL_PATH)" LC_ALL=C.UTF-8 SAM_CLI_TELEMETRY=0 .tools/sam/bin/sam
# Not the pipeline, which is the user's: check_definition checks what it means.
CODE := layers/tailrace/tailrace functions local cli tests benchmarks docs/site
T ?= tests
# What a switch may say instead of nothing.
NO := 0 false no off
# The shell's settings do not apply. Bytecode is kept, or hundreds of processes would each compile all their imports.
unexport PYTHONDONTWRITEBYTECODE
# Imports, assertions (which are part of a definition) and the places of packages do not depend on the shell either.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONOPTIMIZE
# Nor does the template.
unexport SAM_TEMPLATE_FILE
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PIP_PLATFORM PIP_REQUIRE_HASHES PIP_DRY_RUN
# Files, paths and output are UTF-8 in any locale; whatever cannot be decoded or encoded is replaced.
export PYTHONUTF8 := 1
export PYTHONIOENCODING := :replace

.PHONY: help setup demo stack dashboard test simulate chaos rebuilds bench check audit sbom definition-lock docs format build deploy lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

setup:  ## install the tools and environments (other targets do this when needed)
	@command -v $(PYTHON3) >/dev/null || { echo "setup: $(PYTHON3) not found: install Python 3.9 or newer, or run make PYTHON3=/path/to/python3" >&2; exit 1; }
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 9))' || { echo "setup: $(PYTHON3) does not start or is older than Python 3.9: install a newer one, or run make PYTHON3=/path/to/python3" >&2; exit 1; }
	@$(PYTHON3) local/environments/setup.py dev sam emulator dashboard

# TAILRACE_PIPELINE=module:attribute names another pipeline of the layer for every target.
demo: setup  ## run the whole pipeline on this machine with real flights, and check the results (ONCE=1 DAYS=7 SHARDS=4 FEED=file PORT=4566)
	@PATH="$(TOOL_PATH)" ONCE="$(ONCE)" DAYS="$(DAYS)" SHARDS="$(SHARDS)" FEED="$(FEED)" PORT="$(PORT)" $(VENV)/python -m local.demo

stack: setup  ## run the same stack for your own items, and deploy the definition whenever it is saved (SHARDS=4 PORT=4566; KEEP=1 keeps the stack between runs; TABLE=table.json ITEMS=items.json attach it to an existing table; PARAMETERS='WriteEntrances=on')
	@PATH="$(TOOL_PATH)" $(VENV)/python -m local.run_stack --port "$(PORT)" --shards "$(SHARDS)" --keep "$(KEEP)" --table "$(TABLE)" --items "$(ITEMS)" --parameters "$(PARAMETERS)"

dashboard: setup  ## show the dashboard of a deployed stack, with your AWS credentials (STACK=tailrace REGION= PROFILE= PORT=)
	@$(VENV)/tailrace dashboard --stack "$(or $(STACK),tailrace)" $(if $(REGION),--region "$(REGION)") $(if $(PROFILE),--profile "$(PROFILE)") $(if $(PORT),--port "$(PORT)")

test: setup  ## run all tests (T=tests/unit runs a part)
	@$(PYTHON3) local/environments/setup.py axe java dynamodb-local docs checkov audit aws-lambda-stream || [ -z "$$CI" ]
	@PATH="$(TOOL_PATH)" $(VENV)/python -m pytest $(if $(filter %.py,$(T))$(findstring ::,$(T)),,-n auto --dist loadscope) $(T)

simulate: setup  ## test your definition (tailrace test), then run the engine's simulated histories on all cores (SEEDS=100000 FIRST=0 SECONDS=30; CARRIES=1 with write-behind)
	@$(VENV)/tailrace test --seed "$(or $(FIRST),0)" --seconds "$(or $(SECONDS),30)"
	@PYTHONPATH=layers/tailrace $(VENV)/python -m tests.simulation --seeds "$(or $(SEEDS),10000)" --first "$(or $(FIRST),0)" $(if $(filter-out $(NO),$(CARRIES)),--carries)

chaos: setup  ## inject faults between the functions and the emulator, and check that nothing is lost (ROUNDS=200 FIRST=0 STACKS=3 SHARDS=1)
	@PATH="$(TOOL_PATH)" PYTHONPATH=layers/tailrace $(VENV)/python -m tests.chaos --rounds "$(or $(ROUNDS),105)" --first "$(or $(FIRST),0)" --stacks "$(or $(STACKS),3)" --shards "$(or $(SHARDS),1)"

rebuilds: setup  ## change the definition of a running stack while flights are fed, and compare the rows with a recompute (RUNS=1 FIRST=0 DAYS=7 SHARDS=4 KILL=1; VERIFY=50 verifies a stack 50 times under the feed)
	@PATH="$(TOOL_PATH)" PYTHONPATH=layers/tailrace $(VENV)/python -m tests.rebuilds --runs "$(or $(RUNS),1)" --first "$(or $(FIRST),0)" --days "$(or $(DAYS),7)" --shards "$(or $(SHARDS),4)" $(if $(filter-out $(NO),$(KILL)),--kill) $(if $(filter-out $(NO),$(VERIFY)),--verify "$(VERIFY)")

bench: setup  ## measure costs against hand-written handlers, libraries and other engines (PARTS=a,b)
	@$(PYTHON3) local/environments/setup.py bench bytewax aws-lambda-stream
	@PATH="$(TOOL_PATH)" PYTHONPATH=.:layers/tailrace .tools/bench/bin/python -m benchmarks $(if $(PARTS),--parts $(PARTS))

check: setup  ## check definition and its lock, formatting, style, types, templates, workflows and documentation
	$(VENV)/python -m local.deployment.check_definition
	$(VENV)/ruff format --check $(CODE) layers/tailrace/slim_sdk.py
	$(VENV)/ruff check $(CODE) layers/tailrace/slim_sdk.py
	$(VENV)/mypy $(CODE)
	@$(PYTHON3) local/environments/setup.py biome
	.tools/biome/node_modules/@biomejs/cli-*/biome check --error-on-warnings
	$(VENV)/cfn-lint template.yaml
	@$(PYTHON3) local/environments/setup.py checkov
	$(VENV)/python -m local.security.checkov
	$(SAM) validate --lint --region us-east-1
	$(VENV)/actionlint -shellcheck= -pyflakes= .github/workflows/*.yml
	@$(MAKE) --no-print-directory docs

audit: setup  ## look up known vulnerabilities of all locked packages at PyPI and npm (needs the network)
	@$(PYTHON3) local/environments/setup.py audit
	@PATH="$(TOOL_PATH)" $(VENV)/python -m local.security.audit

sbom: setup  ## write the layer's bill of materials (CycloneDX) to .cache/sbom.json
	@$(PYTHON3) local/environments/setup.py audit
	@mkdir -p .cache
	.tools/audit/bin/cyclonedx-py requirements layers/tailrace/requirements.txt --mc-type library --output-reproducible --validate -o .cache/sbom.json

definition-lock: setup  ## accept the definition's current meaning: write definition.lock.json next to it
	@$(VENV)/python -m local.deployment.check_definition --lock

# -E ignores cached pages: with them, Sphinx reports a broken link only when its page has changed.
SPHINX = PYTHONPATH=layers/tailrace .tools/docs/bin/python -m sphinx -q -W --keep-going -E -c docs/site
docs:  ## build the documentation site in .cache/docs (LINKS=1 also checks external links)
	@$(PYTHON3) local/environments/setup.py docs
	$(SPHINX) -a -b html . .cache/docs
	@cp .cache/docs/README.html .cache/docs/index.html
	$(if $(filter-out $(NO),$(LINKS)),$(SPHINX) -b linkcheck . .cache/links)

format: setup  ## format the code and apply automatic fixes
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .
	@$(PYTHON3) local/environments/setup.py biome
	.tools/biome/node_modules/@biomejs/cli-*/biome check --write

build: setup  ## build the deployment package (sam build; ARGUMENTS='--build-dir DIR' adds arguments)
	$(SAM) build $(ARGUMENTS)

deploy: build  ## check the definition and deploy to your AWS account (sam deploy --guided; STACK=tailrace REGION= PROFILE=; ARGUMENTS is for the build, and for the deployment what both commands take)
	@PATH="$(TOOL_PATH)" SAM_CLI_TELEMETRY=0 $(VENV)/python -m local.deployment.sam_deploy $(ARGUMENTS) $(if $(STACK),--stack-name "$(STACK)") $(if $(REGION),--region "$(REGION)") $(if $(PROFILE),--profile "$(PROFILE)")

UV_COMPILE = .tools/uv/bin/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-header --no-annotate --no-emit-index-url $(UPGRADE)
lock: setup  ## update the lock files (UPGRADE=--upgrade takes the newest versions)
	$(UV_COMPILE) locks/layer.in -o layers/tailrace/requirements.txt >/dev/null
	$(UV_COMPILE) --group dev layers/tailrace/requirements.txt -o locks/dev.txt >/dev/null
	$(UV_COMPILE) --group sam -o locks/sam.txt >/dev/null
	$(UV_COMPILE) --group emulator -o locks/emulator.txt >/dev/null
	$(UV_COMPILE) --group checkov -o locks/checkov.txt >/dev/null
	$(UV_COMPILE) --group audit -o locks/audit.txt >/dev/null
	$(UV_COMPILE) --group node -o locks/node.txt >/dev/null
	$(UV_COMPILE) --group java -o locks/java.txt >/dev/null
	$(UV_COMPILE) --group docs layers/tailrace/requirements.txt -o locks/docs.txt >/dev/null
	$(UV_COMPILE) --group bench layers/tailrace/requirements.txt -o locks/bench.txt >/dev/null
	$(subst 3.13,3.12,$(filter-out --universal,$(UV_COMPILE))) locks/bytewax.in -o locks/bytewax.txt >/dev/null

clean:  ## remove everything that make created
	rm -rf .venv .tools .cache .aws-sam .tailrace .mypy_cache .ruff_cache .pytest_cache .hypothesis
