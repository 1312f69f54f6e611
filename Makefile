# `make demo` annotates the speech that ships with the package; `make test` runs every check.
# Both set up .venv first and do nothing twice.

PYTHON ?= python3.11
VENV := .venv
SETUP := $(VENV)/.setup-done
CONSTRAINTS := fcaps_pipeline/environment/constraints.txt
# Real recordings beside the checkout; the demo annotates them too where they are.
REAL_CLIPS := $(wildcard ../shared/audio/clips)

.PHONY: demo test setup clean

demo: $(SETUP)
	$(VENV)/bin/fcaps annotate jobs/annotate_demo_cpu.yaml --out runs/demo
	$(if $(REAL_CLIPS),$(VENV)/bin/fcaps annotate $(REAL_CLIPS) --out runs/demo_clips)

test: $(SETUP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -q --numprocesses 2 tests/unit tests/regressions
	$(VENV)/bin/pytest -q --numprocesses 2 --dist loadfile --no-loadscope-reorder tests/contracts tests/integration

setup: $(SETUP)

$(SETUP): pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint $(CONSTRAINTS) torch
	$(VENV)/bin/pip install --quiet --constraint $(CONSTRAINTS) --editable '.[cpu,release,train,dev]'
	$(VENV)/bin/python -m fcaps_pipeline.environment.repair
	touch $@

clean:
	rm -rf $(VENV) runs
