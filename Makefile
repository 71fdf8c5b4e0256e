# Fujing (辅警). Needs make and Python 3.11 or newer with venv; everything else comes by requirements.lock.
# Every path is relative, so the clone may live under a name with spaces or Chinese characters.

PYTHON ?= python3
UV ?= uv
ARGS ?=
FOR ?= 300
SEED ?=
AGAINST ?=
DIR ?=
S3 ?=

BIN := .venv/bin
INSTALLED := .venv/.installed-in
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
DEVELOPING = $(if $(DIR),FUJING_DATA_DIR="$(DIR)") $(BIN)/python -m mobile_api.cli.developing
CODE := backend mobile_api storage migrations tests

# Where it is set, each of our processes compiles the project anew: half of the time of a start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help env demo dev seed psql test test-web test-long test-store test-ceph check soak bench bundle fmt lock clean

help:
	@printf '%s\n' \
	  'Fujing (辅警). make TARGET, where TARGET is' \
	  '' \
	  '  demo    a whole duty, from sign-in to sealed receipts, on a PostgreSQL and an S3 server of its own' \
  '  dev     serve a house with people, duty and footage; it starts again when a source file changes' \
  '  seed    put people, devices, duty and footage into an empty data directory: ./fujing-data, or DIR=path' \
  '  psql    the database of the house that runs in ./fujing-data, or DIR=path, as the application sees it' \
	  '  test    the tests that every change pays for, on real PostgreSQL and real S3' \
  '  test-web   the contract in Chromium and in generated clients (Node)' \
  '  test-long  a soak, a GiB of film, the bench in small, proxies and a pooler' \
	  '  test-store  what holds on any S3 store, on S3=http://KEY:SECRET@HOST:PORT; locked test objects stay there' \
	  '  test-ceph   the same on a Ceph of Debian packages, started for it alone' \
	  '  check   style, types and the rule that imports run downward' \
	  '  soak    servers killed, frozen and cut off at random, for FOR=300 seconds, by a SEED' \
	  '  bench   the figures, one line each: bench NAME VALUE UNIT; a picture of them in bench-results.png' \
  '          AGAINST=COMMIT: beside those of that commit, pair by pair: bench NAME_vs_before VALUE x' \
	  '  bundle  a folder of wheels that installs on a closed network, tried at once' \
	  '  fmt     format the code and put the imports in order' \
	  '' \
	  '  env     make .venv as requirements.lock says (the others do it by themselves, once)' \
	  '  lock    write requirements.lock anew from pyproject.toml (needs uv; UPGRADE=1 takes newer versions)' \
	  '  clean   remove .venv and the caches, nothing else' \
	  '' \
	  'The first target downloads some 150 MB. From a package mirror / 使用软件包镜像:' \
	  '  PIP_INDEX_URL=https://<mirror>/simple make demo' \
	  'Another Python / 换一个 Python:    make demo PYTHON=python3.12' \
	  'More words for the command behind it:    make test ARGS="-k receipt"'

env: $(INSTALLED)

# Done again when the lock or the project changed, and when the clone was moved or its Python is gone.
ifneq "$(shell $(BIN)/python -c '' 2>/dev/null && cat $(INSTALLED) 2>/dev/null)" "$(CURDIR)"
.PHONY: $(INSTALLED)
endif

$(INSTALLED): requirements.lock requirements-source.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { printf '%s\n' \
	  '需要 Python 3.11 或更高版本，而 $(PYTHON) 不存在或版本过低。请安装后重试，或指定：make PYTHON=python3.12' \
	  'Fujing needs Python 3.11 or newer; $(PYTHON) is missing or older. Install one, or name it: make PYTHON=python3.12' \
	  >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { printf '%s\n' \
	  '这个 Python 缺少 venv 模块。Debian 或 Ubuntu：apt install python3-venv，然后重试。' \
	  'This Python comes without venv. On Debian or Ubuntu: apt install python3-venv, then try again.' \
	  >&2; exit 1; }
	@{ [ ! -e $(INSTALLED) ] || [ "$$(cat $(INSTALLED))" = "$$(pwd -P)" ]; } \
	  && $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || "$(PYTHON)" -m venv --clear .venv
	@echo 'Installing into .venv what requirements.lock names (once; some 150 MB)'
	@$(PIP) install --only-binary :all: --no-deps --require-hashes --requirement requirements.lock
	@SETUPTOOLS_SCM_PRETEND_VERSION=1.9.0 $(PIP) install --no-build-isolation --no-deps --require-hashes \
	  --requirement requirements-source.lock
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@$(PIP) check
	@pwd -P > $(INSTALLED)

demo: env
	@$(BIN)/fujing demo $(ARGS)

dev: env
	@$(DEVELOPING) dev

seed: env
	@$(DEVELOPING) seed

psql: env
	@$(DEVELOPING) psql

# Three processes on two cores, for tests wait much; each with a PostgreSQL and a store of its own. A file's tests stay
# together, the files in the order of tests/conftest.py.
PARALLEL := --dist=loadfile --no-loadscope-reorder
test: env
	@$(BIN)/python -m pytest --numprocesses=3 $(PARALLEL) -m 'not web and not long' $(ARGS)

test-web: env
	@$(BIN)/python -m pytest --numprocesses=2 $(PARALLEL) -m web $(ARGS)

test-long: env
	@$(BIN)/python -m pytest --numprocesses=2 $(PARALLEL) -m long $(ARGS)

# Buckets of its own; the keys may make buckets. They may stand in FUJING_S3_ACCESS_KEY and FUJING_S3_SECRET_KEY instead.
test-store: env
	@[ -n "$(S3)" ] || { printf '%s\n' \
	  '请指定存储：make test-store S3=http://KEY:SECRET@HOST:PORT（TLS 用 https；区域用 ?region=）' \
	  'Name the store: make test-store S3=http://KEY:SECRET@HOST:PORT (https for TLS; ?region= where it has one)' \
	  >&2; exit 1; }
	@TEST_S3="$(S3)" $(BIN)/python -m pytest -m 'not web and not long' $(ARGS)

test-ceph: env
	@sh tests/stores/ceph.sh $(BIN)/python -m pytest -m 'not web and not long' $(ARGS)

check: env
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m bandit --quiet --recursive --configfile pyproject.toml backend mobile_api storage migrations
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

soak: env
	@FOR=$(FOR) SEED=$(SEED) $(BIN)/python -m pytest -s tests/faults $(ARGS)

# What is compared with is installed for this alone.
bench: env
	@$(PIP) install --quiet --only-binary :all: --no-deps --require-hashes --requirement requirements-bench.lock
	@! command -v npm >/dev/null \
	  || [ tests/bench/tus/node_modules/.package-lock.json -nt tests/bench/tus/package-lock.json ] \
	  || npm ci --prefix tests/bench/tus --silent --no-audit --no-fund --ignore-scripts \
	  || echo 'npm could not install tests/bench/tus (Node 20.19 or newer?): without it there is no upload_vs_tus' >&2
	@$(BIN)/python tests/bench/$(if $(AGAINST),against.py $(AGAINST),run.py) $(ARGS)

# What it made is tried at once: installed where nothing can be fetched, and asked for its settings.
bundle: env
	@$(BIN)/python deploy/bundle.py
	@tried=$$(mktemp -d) && trap 'rm -rf "$$tried"' EXIT \
	  && PYTHON="$(CURDIR)/$(BIN)/python" PIP_QUIET=1 sh dist/fujing-bundle/install.sh "$$tried/venv" >/dev/null \
	  && cd "$$tried" && venv/bin/fujing settings >/dev/null && echo 'it installs with nothing fetched'

fmt: env
	@$(BIN)/python -m ruff check --fix-only
	@$(BIN)/python -m ruff format

# One version of each package for every Python from 3.11 on; names, versions and hashes, no address.
lock:
	@command -v "$(UV)" >/dev/null || { printf '%s\n' \
	  'make lock 需要 uv：在任意虚拟环境中 pip install uv，然后 make lock UV=路径/uv' \
	  'make lock needs uv: pip install uv into any environment, then make lock UV=path/to/uv' >&2; exit 1; }
	@"$(UV)" pip compile pyproject.toml --extra embedded --group build --group test --group check \
	  --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --quiet \
	  $(if $(UPGRADE),--upgrade) --output-file requirements.lock
	@"$(UV)" pip compile pyproject.toml --group bench --constraint requirements.lock \
	  --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --quiet \
	  $(if $(UPGRADE),--upgrade) --output-file requirements-bench.lock
	@! grep -n '://' requirements.lock requirements-bench.lock || { echo 'a lock names an address' >&2; exit 1; }

clean:
	@rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build fujing.egg-info
	@for folder in $(CODE); do \
	  [ ! -d "$$folder" ] || find "$$folder" \( -name __pycache__ -o -name node_modules -o -name dist -o -name screenshots \) \
	    -type d -prune -exec rm -rf {} +; \
	done
	@git worktree prune 2>/dev/null || true # of what make bench AGAINST built
