# make setup      .venv with everything, pinned by constraints.txt; the tracker is compiled (C++20)
# make demo       sets up, then runs config.yaml: generated videos -> results/report/index.html
# make test       sets up; unit tests, a tiny whole run, lint; at most 12 minutes on 2 cores
# make test-fast  the quick unit tests, in 90 seconds on 2 cores
# make test-all   make test and make docs, then the longer targets: test-runs, -browser, -kill, -persons, -slurm,
#                 -sanitize, -aarch64, -tables, -package, -demo, -ut, -ucf
# make help       this list
# make docs       builds the documentation as a site: docs/_build/html/index.html
# make tutorial   runs docs/tutorial.ipynb on the results of the demo
# make schema     writes the config's schema, docs/configuration.md, docs/command_lines.md and README's diagram
# make status     what is done, what failed, what would run and why; CONFIG=mine.yaml, FULL=1 for every name
# make clean-outdated   deletes the checkpoints that no run needs; make status lists them; CONFIG=mine.yaml
# make estimate   core-hours, disk, files and memory of a run, stage by stage, from a pilot; CONFIG=, ESTIMATE='--videos 20'
# make gpu-report   tests the CUDA code and measures your GPU, at most 8 minutes: build/gpu_report.md; ARGS=--short on a CPU
# make benchmark  the tracker's speed and memory against a public baseline; VIDEO=FILE for a video of yours
# make benchmark-NAME ARGS="..."   runs benchmarks/NAME.py, whose docstring lists the arguments: codebook, frames, ...
# make clean-stores   frees the space of the per-video stores; the artifacts stay
#
# PIP_ARGS is passed to pip (for example, an index of CPU or CUDA builds of torch), CORES to snakemake. FAISS=gpu
# installs faiss with GPU support; it needs a new .venv.

PYTHON ?= python3
PIP_ARGS ?=
FAISS ?= cpu
ARGS ?=
CORES ?= all
CONFIG ?=
BIN := .venv/bin
TRACKER := $(shell find idt_tools -name '*.cpp' -o -name '*.h' -o -name CMakeLists.txt)
CPP := $(shell find idt_tools tests -name '*.cpp' -o -name '*.h')

.PHONY: setup demo test test-fast lint test-all test-runs test-kill test-slurm test-sanitize test-aarch64 sanitized-tests \
	sanitized-fuzz sanitized-threads test-tables test-browser test-package test-demo test-ut test-ucf setup-persons test-persons help docs tutorial schema status estimate \
	clean-stores clean-outdated benchmark gpu-report
.DEFAULT_GOAL := setup

setup: .venv/.setup

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

.venv/.setup: pyproject.toml constraints.txt $(TRACKER)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'error: $(PYTHON) is older than Python 3.11; run: make PYTHON=python3.11 ...'; exit 1; }
	@command -v $${CXX:-c++} > /dev/null || \
		{ echo 'error: no C++ compiler (c++) was found; install one with C++20, for example: apt install g++'; exit 1; }
	@echo 'Installs torch, OpenCV, faiss, Snakemake and the other packages of constraints.txt into .venv, and compiles the tracker.'
	@echo 'This takes about four minutes, and 2 GB with a torch for CPUs (PIP_ARGS=...), more with one for GPUs.'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[$(FAISS),test]'
	@touch $@
	@echo 'Ready. Next: make demo; for videos of your own: source .venv/bin/activate, then docs/own_videos.md.'

demo: setup
	$(BIN)/snakemake --cores $(CORES)
	@echo "The report: $(CURDIR)/results/report/index.html"

# The tests of real Snakemake runs that `make test` leaves out.
OTHER_RUNS := $(filter-out $(addprefix tests/integration/test_,whole_run.py configs.py readme.py),\
	$(wildcard tests/integration/test_*.py))

# xdist starts the files in the order of their names: by default it starts files with few tests last, here the longest.
test: setup lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
		$(addprefix --ignore ,$(OTHER_RUNS) $(addprefix tests/,real kill slurm tables))

# The tests without the mark `slow`: no stage, no training, no Snakemake run and no browser. A test is slow if its module
# or itself has the mark, or if it uses one of the fixtures in tests/conftest.py. The last lines show the slowest of the
# others: mark those that take seconds.
test-fast: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m 'not slow' --durations 5 --durations-min 2 \
		$(addprefix --ignore tests/,integration real kill slurm tables benchmarks)

# Real Snakemake runs with failures, kills, changes, new videos and odd names: about 10 minutes on 2 cores.
test-runs: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(OTHER_RUNS)

lint: setup
	$(BIN)/clang-format --dry-run --Werror $(CPP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check --line-length 120 Snakefile rules
	$(BIN)/snakemake --lint

# Builds the tracker's core with g++'s address and undefined-behaviour sanitizers, then runs its Python tests, and
# random input on every instruction set of the processor; then random videos in two threads with the thread sanitizer:
# about 4 minutes on 2 cores.
FUZZ_SECONDS ?= 15
FUZZ_SEED ?= 1
SANITIZED := build/sanitize

test-sanitize: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --no-deps --upgrade \
		--target $(SANITIZED) -C build-dir=$(SANITIZED)-objects -C cmake.build-type=Debug -C install.strip=false \
		-C cmake.define.IDT_SANITIZE=ON .
	$(MAKE) -j 2 sanitized-tests sanitized-fuzz
	$(MAKE) sanitized-threads

# -S, -P and an empty pythonpath hide the ordinary build. Leaks are not detected, because Python itself leaks.
sanitized-tests:
	PYTHONPATH=$(SANITIZED):$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
	LD_PRELOAD="$$(for name in libasan.so libstdc++.so; do $${CXX:-c++} -print-file-name=$$name; done | xargs)" \
	ASAN_OPTIONS=detect_leaks=0 \
		$(BIN)/python -P -S -m pytest -q -o pythonpath= $(addprefix tests/idt_tools/test_tracker,.py _input.py _kernels.py)

sanitized-fuzz:
	for set in $$($(BIN)/python -c 'from idt_tools import _core; print(*_core.INSTRUCTION_SETS)'); do \
		$(SANITIZED)/idt_tools/fuzz_$$set $(FUZZ_SECONDS) $(FUZZ_SEED) || exit 1; \
	done

sanitized-threads:
	$${CXX:-c++} -std=c++20 -O1 -g1 -fsanitize=thread -Wno-psabi -I idt_tools/core tests/idt_tools/fuzz_core.cpp \
		$(filter-out %/bindings.cpp,$(wildcard idt_tools/core/*.cpp)) -o $(SANITIZED)/fuzz_threads
	TSAN_OPTIONS=halt_on_error=1 $(SANITIZED)/fuzz_threads $(FUZZ_SECONDS) $(FUZZ_SEED)

# The report page in Chromium, which apt installs if it may. Without Chromium the tests are skipped with a message.
# (`make test` runs them too if Chromium is installed.)
test-browser: setup
	@$(call apt_install,chromium,chromium)
	$(BIN)/python -m pytest -s tests/report/test_browser.py

# SIGKILL at random moments of every stage, KILLS times: about 5 minutes on 2 cores for 10 kills, 20 for 50.
KILLS ?= 10
KILL_SEED ?= 1

test-kill: setup
	KILLS=$(KILLS) KILL_SEED=$(KILL_SEED) $(BIN)/python -m pytest -s tests/kill

# $(call apt_install,COMMANDS,PACKAGES): installs the packages if one of the commands is missing and apt may.
apt_install = if ! command -v $(1) > /dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(2); fi || true

# Every table of configs/paper.yaml in miniature, on generated videos: about 10 minutes on 2 cores.
test-tables: setup
	$(BIN)/python -m pytest -s tests/tables

# `pip install .` in a fresh clone, an sdist and a wheel: about 3 minutes on 2 cores.
test-package: setup
	$(BIN)/python -m pytest -s tests/real/test_package.py

# `make demo` in a fresh clone: about 10 minutes on 2 cores.
test-demo: setup
	$(BIN)/python -m pytest -s tests/real/test_demo.py

# configs/ut_interaction.yaml on its 60 clips: about 10 minutes on 2 cores. Without the clips it is skipped with a
# message.
test-ut: setup
	$(BIN)/python -m pytest -s tests/real/test_ut_interaction.py

# configs/ucf101_subset.yaml on its 225 clips, with short trainings: about 10 minutes on 2 cores. Without the clips it is
# skipped with a message.
test-ucf: setup
	$(BIN)/python -m pytest -s tests/real/test_ucf101_subset.py

# The persons stage with torchvision's detectors, and with detectron2's if it is installed: about 4 minutes on 2 cores, to
# run each model and to train a small network. Each release of torchvision fits one release of torch. This pair (5 GB)
# works with and without a GPU; it is put before the environment's own torch, which stays.
TORCHVISION := torch==2.14.1 torchvision==0.29.1
WITH_TORCHVISION := build/torchvision-0.29.1

setup-persons: setup $(WITH_TORCHVISION)/.setup

$(WITH_TORCHVISION)/.setup:
	@mkdir -p build
	grep -v '^torch==' constraints.txt > build/constraints-torchvision.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --upgrade --target $(WITH_TORCHVISION) \
		-c build/constraints-torchvision.txt $(TORCHVISION)
	@touch $@

test-persons: setup-persons
	PYTHONPATH=$(WITH_TORCHVISION) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -s \
		tests/persons/test_torchvision_detector.py tests/persons/test_detectron2_detector.py

# The commands of docs/cluster.md, and failing jobs, on a SLURM of two nodes that the test starts: about 8 minutes on 2
# cores. apt installs its packages if it may. Without them the tests are skipped with a message.
SLURM_PACKAGES := slurm-wlm slurm-client slurmdbd slurm-wlm-basic-plugins slurm-wlm-mysql-plugin munge mariadb-server

test-slurm: setup
	@$(call apt_install,slurmctld slurmdbd,$(SLURM_PACKAGES))
	$(BIN)/python -m pytest -s --durations=0 tests/slurm

# The tracker's core for 64-bit ARM, run by an emulator: two minutes. apt installs the compiler and the emulator if it may.
# Without them the test is skipped with a message.
test-aarch64: setup
	@$(call apt_install,qemu-aarch64-static,g++-aarch64-linux-gnu qemu-user-static)
	$(BIN)/python -m pytest -s tests/real/test_aarch64.py

test-all: test docs test-runs test-browser test-kill test-persons test-slurm test-sanitize test-aarch64 test-tables \
	test-package test-demo test-ut test-ucf

schema: setup
	$(BIN)/python -m workflow_scripts.configuration.make_schema
	$(BIN)/python -m workflow_scripts.operations.document_commands
	$(BIN)/python -m workflow_scripts.operations.draw_stages

# The packages are the extra `docs` of pyproject.toml. A warning, for example of a broken link, stops the build.
DOCS_PACKAGES := sphinx myst-nb furo

docs: .venv/.docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --fresh-env docs docs/_build/html
	@echo "The documentation: $(CURDIR)/docs/_build/html/index.html"

# Runs the notebook on results/, which `make demo` makes, and saves its tables and pictures in it.
tutorial: .venv/.docs
	cd docs && ../$(BIN)/python -c "import nbclient, nbformat; notebook = nbformat.read('tutorial.ipynb', 4); \
		nbclient.NotebookClient(notebook, record_timing=False).execute(); nbformat.write(notebook, 'tutorial.ipynb')"

.venv/.docs: .venv/.setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt $(DOCS_PACKAGES)
	@touch $@

# CONFIG: one or several files, as for snakemake's --configfile; without CONFIG, the demo.
status: setup
	@$(BIN)/dtc status $(if $(CONFIG),--configfile $(CONFIG)) $(if $(FULL),--full)

# ESTIMATE: options of `dtc estimate`, which `dtc estimate --help` lists.
estimate: setup
	@$(BIN)/dtc estimate $(if $(CONFIG),--configfile $(CONFIG)) $(ESTIMATE)

benchmark: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.tracker $(VIDEO)

gpu-report: setup
	$(BIN)/python -m benchmarks.gpu_report $(ARGS)

benchmark-%: setup
	$(BIN)/python -m benchmarks.$* $(ARGS)

clean-stores:
	find results -type d -name .store -prune -exec rm -rf {} +

clean-outdated: setup
	@$(BIN)/dtc clean $(if $(CONFIG),--configfile $(CONFIG))
