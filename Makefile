# All that CI runs, and all that a newcomer needs: make demo, make test, make check.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: demo test check clean

# The report on the predictions that ship with the package.
demo: $(VENV)/demo.done
	$(BIN)/lossary report --fail-on never

# Everything: conformance on every library, the checks' own tests, OpInfo, the tools.
test: $(VENV)/dev.done
	$(BIN)/pytest -n auto

# Under two minutes: format, lint, types, the fast half of the conformance suite.
check: $(VENV)/dev.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/pytest -n auto -m "not slow" tests/test_catalogue.py tests/test_conformance.py

clean:
	rm -rf $(VENV)

$(VENV)/demo.done: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[cli,files]'
	touch $@

# torch first and pinned: its newest build would bring gigabytes of CUDA along.
$(VENV)/dev.done: $(VENV)/demo.done
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[dev]'
	touch $@
