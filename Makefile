# All that a newcomer needs: make demo, make test, make check; make bench, make docs, make fuzz, make sanitize,
# make site, make test-versions, make wheel. CI runs make lint, make test, which has the tests of make check among its
# own, make test-cuda, make peers, make test-site, and make test-versions with the newest and the oldest of everything.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
KERNELS := --config-settings wheel.cmake

.PHONY: demo test test-cuda test-gpu bench-gpu peers check lint bench docs site test-site fuzz test-newest test-oldest test-versions wheel sanitize clean

# The report on the predictions that ship with the package.
demo: $(VENV)/demo.done
	$(BIN)/lossary report --fail-on never

# Everything: conformance on every library, the checks' own tests, OpInfo, the tools, the examples of docstrings.
test: $(VENV)/kernels.done
	$(BIN)/pytest -n auto --ignore tests/peers --ignore tests/cuda --ignore tests/site

# One loss of each family, without what takes a program of the interpreter for each of thousands of calls.
ON_TRITON := "torch-float32 and (cross_entropy or huber or cosine) and not (linear or binary or determinism or invalid)"

# What runs on CUDA: values under Triton's interpreter, launches on meta tensors, code for devices that are not there.
test-cuda: $(VENV)/kernels.done
	TRITON_INTERPRET=1 $(BIN)/pytest -n auto tests/cuda --ignore tests/cuda/test_launches.py --ignore tests/cuda/test_code.py
	$(BIN)/pytest -n auto tests/cuda/test_launches.py tests/cuda/test_code.py
	$(BIN)/pytest -n auto --triton tests/test_conformance.py -k $(ON_TRITON)

# On a machine with a GPU: answers, waiting, graphs; and all that is measured there, in nine minutes.
test-gpu: $(VENV)/kernels.done
	$(BIN)/pytest tests/cuda/test_gpu.py

bench-gpu: $(VENV)/kernels.done
	PYTHON=$(abspath $(BIN))/python benchmarks/gpu/window.sh build/gpu

# The same losses of other libraries, in one process: importing them takes longer than running them.
peers: $(VENV)/kernels.done $(VENV)/peers.done
	PYTHONPATH=$(VENV)/peers $(BIN)/pytest tests/peers

# Under two minutes: format, lint, types, the fast half of the conformance suite.
check: lint
	$(BIN)/pytest -n auto -m "not slow" tests/test_catalogue.py tests/test_conformance.py

lint: $(VENV)/kernels.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright

# The pages that are written from the code and its measurements.
docs: $(VENV)/kernels.done
	$(BIN)/python docs/generate.py

# The handbook in English and Chinese: build/site/index.html. It needs node and npm, for the formulas.
site: $(VENV)/kernels.done
	$(BIN)/python -m handbook.build

# The handbook as a browser shows it.
test-site: site $(VENV)/browser.done
	$(BIN)/pytest tests/site

# Times and memory beside every peer, and the page that says so: a quarter of an hour on a machine that does nothing else.
bench: $(VENV)/kernels.done
	$(BIN)/python -m benchmarks.run --out benchmarks/results/benchmarks.json
	$(BIN)/python docs/generate.py

# Nightly: 10,000 valid and 10,000 broken calls of every loss.
fuzz: $(VENV)/kernels.done
	$(BIN)/pytest -n auto --hypothesis-profile=fuzz tests/test_fuzz.py

# Part of the tests with other versions of torch, Python and packages, which uv fetches, and the page that says so. One of
# them: make test-versions ENVIRONMENTS=newest. Where pyenv has the Pythons, it is told to show them.
ENVIRONMENTS := oldest torch-2.13 torch-2.14 newest
NOX := PYENV_VERSION=3.11:3.12:3.13 $(BIN)/nox --session
test-versions: $(VENV)/kernels.done
	$(NOX) $(foreach name,$(ENVIRONMENTS),"versions($(name))")
	$(BIN)/python docs/generate.py

# For CI, which has not the time for more: the newest of everything, and what packages matter to with the oldest.
test-newest: $(VENV)/kernels.done
	$(NOX) "versions(newest)" -- quick
test-oldest: $(VENV)/kernels.done
	$(NOX) "versions(oldest)" -- tests/test_cli.py tests/test_report.py tests/test_report_input.py tests/test_drop_in.py

# dist/: the source, a wheel with kernels, one in pure Python, and what each gives in clean environments.
wheel: $(VENV)/kernels.done
	$(NOX) autograd
	$(NOX) wheel
	$(NOX) installs
	$(BIN)/python docs/generate.py

# The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, then under ThreadSanitizer, to which torch's own
# threads would all be races: copies of the package, and the tests that reach them.
define sanitized # folder, flags, library to load first, environment, pytest's arguments
	cmake -S . -B build/$(1) -DPython_EXECUTABLE=$(abspath $(BIN)/python) -DCMAKE_INSTALL_PREFIX=build/$(1)/root \
	    -DCMAKE_CXX_FLAGS="-g -fno-omit-frame-pointer $(2)"
	cmake --build build/$(1) --parallel 2
	rm -rf build/$(1)/root && mkdir -p build/$(1)/root && cp -r src/lossary build/$(1)/root/
	rm -f build/$(1)/root/lossary/kernels/*.so && cmake --install build/$(1)
	PYTHONPATH=build/$(1)/root LD_PRELOAD="$$($(CXX) -print-file-name=$(3)) $$($(CXX) -print-file-name=libstdc++.so.6)" \
	    $(4) $(BIN)/pytest --capture=sys $(5)
endef
sanitize: $(VENV)/dev.done
	$(call sanitized,addresses,-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all,libasan.so, \
	    ASAN_OPTIONS=detect_leaks=0, -m 'not slow' -k '(kernels or remembered or torch or ctc_losses) and not kept' \
	    tests/test_kernels.py tests/test_remembered.py tests/test_ctc_losses.py tests/test_conformance.py)
	$(call sanitized,threads,-fsanitize=thread,libtsan.so,OMP_NUM_THREADS=1,-k 'not child' tests/test_concurrency.py)

clean:
	rm -rf $(VENV) .nox build dist $(addprefix src/lossary/kernels/,*.so build.json)

$(VENV)/demo.done: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(KERNELS)=false --editable '.[cli,files]'
	touch $@

# torch first and pinned: its newest build would bring gigabytes of CUDA along.
$(VENV)/dev.done: $(VENV)/demo.done
	$(PIP) torch==2.13.0
	$(PIP) $(KERNELS)=false --editable '.[dev]'
	touch $@

# Beside the environment: some do not import in it, and what asks whether they are installed should not find them.
$(VENV)/peers.done: $(VENV)/dev.done tests/peers/requirements.txt
	rm -rf $(VENV)/peers
	$(PIP) --no-deps --target $(VENV)/peers --requirement tests/peers/requirements.txt
	touch $@

# Debian's, where there is none; the letters are for pictures of Chinese pages.
$(VENV)/browser.done: $(VENV)/dev.done
	command -v chromedriver || (apt-get update --quiet && \
	    apt-get install --quiet --yes --no-install-recommends chromium chromium-driver fonts-noto-cjk)
	touch $@

# Whenever they change. Where there is a compiler, a build that fails must not pass for none.
$(VENV)/kernels.done: $(VENV)/dev.done CMakeLists.txt $(wildcard cmake/autograd/* src/lossary/kernels/cpu/* src/lossary/kernels/*.inc)
	$(PIP) --no-deps $(if $(shell command -v $(CXX)),$(KERNELS)=true) --editable .
	touch $@
