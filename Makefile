# For machines without Nix. Each target delegates; `make` lists them.

PYTHON ?= python3
VENV := .venv
NODE := .cache/node
DEBIAN_PACKAGES := chromium curl debootstrap fonts-dejavu-core gcc iproute2 iptables libc6-dev nftables nginx-light python3-dev python3-venv restic systemd-container zstd
PYTEST := $(VENV)/bin/python -m pytest -c python/pyproject.toml --rootdir=.
TESTS := python/tests tests/nginx tests/stack tests/nix tests/machine tests/quota tests/behaviour tests/redteam
LINTED := python/src python/tests tests images demo docs
# Measures what the tests' own process runs; the hub and the servers are processes of their own.
COVERAGE := --cov=classroom --cov-report=json:.cache/coverage.json --cov-fail-under=1

# The tests that share the running class in one process, all others in a second one.
SUITES := -p support.suites --numprocesses=2 --dist=loadscope

.DEFAULT_GOAL := help
.PHONY: help demo demo-remove recorded test test-engine test-machine test-machine-behaviour test-nix test-packages test-quota test-unit test-torch lint format locks docs docs-site clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo:  ## a class on this machine: PORT=8000 HOST=127.0.0.1 ENGINE=auto|docker|process BASE_IMAGE=
	@exec env PORT='$(PORT)' HOST='$(HOST)' ENGINE='$(ENGINE)' BASE_IMAGE='$(BASE_IMAGE)' $(PYTHON) -m demo

demo-remove:  ## remove everything that the demo made, including its containers, volumes and image
	@exec $(PYTHON) -m demo remove

test: $(VENV)/ready $(NODE)/ready  ## all tests, with real components (as root for Docker); a skipped test says why
	PYTHONPATH=tests $(VENV)/bin/python -m stack run -- $(PYTEST) $(SUITES) $(COVERAGE) $(TESTS) $(ARGS)

test-unit: $(VENV)/ready  ## tests that need no engine, browser or network namespace
	$(PYTEST) $(COVERAGE) python/tests $(ARGS)

test-torch: $(VENV)/ready $(NODE)/ready  ## slow: PyTorch from PyPI in a student's container, the welcome notebook run
	PYTHONPATH=tests CLASSROOM_TEST_TORCH=1 $(VENV)/bin/python -m stack run --torch -- $(PYTEST) tests/behaviour -k torch $(ARGS)

test-nix: $(VENV)/ready $(NODE)/ready .cache/compose  ## slow: build and use the images and files of Nix (Debian 12, <nixpkgs>)
	PYTHONPATH=tests $(VENV)/bin/python -c 'from nix import hub_dockerfile, image_build; image_build.expression(); hub_dockerfile.fetch()'
	PYTHONPATH=tests CLASSROOM_TEST_NIX=1 $(VENV)/bin/python -m stack run -- $(PYTEST) tests/nix $(ARGS)

test-machine: $(VENV)/ready $(NODE)/ready  ## slow: NixOS with the class under systemd: boot, switch, power cuts (Debian 12, root, <nixpkgs>)
	tests/install-packages debootstrap knot lego pebble systemd-container
	PYTHONPATH=tests CLASSROOM_TEST_MACHINE=1 $(PYTEST) tests/machine $(ARGS)

# The suites of the running class, against a NixOS machine: not part of test-machine, because they take long.
FILES ?= tests/behaviour tests/redteam
test-machine-behaviour: $(VENV)/ready $(NODE)/ready  ## slow: the tests in FILES (tests/behaviour tests/redteam) against a booted NixOS
	tests/install-packages chromium debootstrap systemd-container
	PYTHONPATH=tests CLASSROOM_TEST_MACHINE=1 CLASSROOM_TEST_BEHAVIOUR='$(FILES)' $(PYTEST) tests/machine/test_behaviour.py $(ARGS)

recorded: $(VENV)/ready  ## write the record of a host in tests/machine/recorded (Debian 12, root, <nixpkgs>)
	PYTHONPATH=tests $(VENV)/bin/python -m machine.record

# Behaviour that depends on the engine, on the engine of another release of Debian.
SUITE ?= forky
ENGINE_TESTS := engine_filter isolation_container isolation_network restarts image storage
test-engine: $(VENV)/ready $(NODE)/ready  ## slow: what depends on the engine, with the Docker of SUITE=forky (Debian's next release)
	CLASSROOM_TEST_SUITE=$(SUITE) PYTHONPATH=tests $(VENV)/bin/python -m stack run -- $(PYTEST) $(ENGINE_TESTS:%=tests/behaviour/test_%.py) $(ARGS)

test-quota: $(VENV)/ready  ## slow: quotas of homes on ext4 and XFS, in a QEMU machine (Debian 12, as root)
	tests/install-packages busybox-static e2fsprogs libseccomp2 qemu-system-x86 xfsprogs
	CLASSROOM_TEST_QUOTA=1 $(PYTEST) tests/quota $(ARGS)

test-packages:  ## Debian packages that the tests use (as root)
	tests/install-packages $(DEBIAN_PACKAGES)

lint: $(VENV)/ready  ## ruff, mypy, import-linter, shellcheck
	$(VENV)/bin/ruff check --config python/pyproject.toml $(LINTED)
	$(VENV)/bin/ruff format --check --config python/pyproject.toml $(LINTED)
	cd python && ../$(VENV)/bin/mypy -p classroom
	cd python && ../$(VENV)/bin/mypy -p images.student -p machine -p stack -p support
	cd python && ../$(VENV)/bin/mypy ../demo
	cd python && ../$(VENV)/bin/lint-imports --no-logo pyproject.toml
	git grep -lE '^#!.*\b(ba)?sh$$' ':!tests/machine/recorded' | xargs $(VENV)/bin/shellcheck

format: $(VENV)/ready  ## format and fix with ruff
	$(VENV)/bin/ruff check --fix --config python/pyproject.toml $(LINTED)
	$(VENV)/bin/ruff format --config python/pyproject.toml $(LINTED)

locks: $(VENV)/ready  ## compile python/locks/*.in
	$(VENV)/bin/python python/locks/compile

docs: $(VENV)/ready  ## generate docs/reference and the NixOS options from the code
	$(VENV)/bin/classroom settings-doc > docs/reference/settings.md
	PYTHONPATH=tests $(VENV)/bin/python -m docs.generate
	$(VENV)/bin/python -m classroom.settings.nix_options modules/options/generated.nix
	$(VENV)/bin/python -m classroom.settings.parts modules/options/parts.json
	PYTHONPATH=tests $(VENV)/bin/python -m nix.options_page docs/reference/options.md

docs-site: $(VENV)/ready  ## the documentation as a site, in .cache/site; a dead link fails
	$(VENV)/bin/mkdocs build --strict

clean:  ## remove what make created, except the demo's class
	rm -rf $(VENV) .cache

$(VENV)/ready: python/locks/dev.txt python/locks/node.txt python/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --no-deps --require-hashes -r python/locks/dev.txt
	$(VENV)/bin/pip install --quiet --no-deps --no-build-isolation -e python
	touch $@

# The proxy, and Node where the machine has none of version 20 or newer.
$(NODE)/ready: python/locks/npm/package-lock.json $(VENV)/ready
	tests/install-proxy $(NODE)
	touch $@

# For the class of containers of images/compose.
.cache/compose:
	$(PYTHON) -m images.student root $@ docker-compose
