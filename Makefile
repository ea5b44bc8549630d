# Every target makes the virtual environment first when it is missing. `make demo` and `make test`
# are the two commands of the README.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: venv demo run test conformance conformance-page bench bench-full sim sweep many-objects soak hunt sim-hashes mutants check lint types wheel-check constraints clean

# Make .venv with the pinned versions of constraints.txt and the project itself, editable.
venv: .venv/.ready
.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("boomtown needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group dev --editable '.[fast]'
	@touch $@

# Watch a convoy of three beads land: server, agents and a git repository, all made for it.
demo: venv
	@$(BIN)/boomtown demo

# The development server, on port 8787.
run: venv
	@$(BIN)/boomtown dev

# The whole test suite.
test: venv
	$(BIN)/python -m pytest -n 2

# Generated scripts on this runtime and on a real workerd, every result compared; skipped without npm.
conformance: venv
	PYTHONPATH=tests $(BIN)/python -m support.conformance_run

# Write the table of cases in docs/conformance.md anew.
conformance-page: venv
	PYTHONPATH=tests $(BIN)/python -m support.conformance_page

# The demo with its container and server killed, RUNS times in a row; the log is kept.
RUNS ?= 20
soak: venv
	PYTHONPATH=tests $(BIN)/python -m support.soak $(RUNS) docs/soak.log

# Half a simulated hour of outages for each of SEEDS seeds from SEED on, twice at a time; and each
# planted bug must be found.
SEED ?= 0
SEEDS ?= 200
BUGS := no-fence start-not-idempotent already-running-is-success rollback-without-cas \
  silence-is-death no-sync no-folder-sync early-alarm-deletion early-effect
hunt: venv
	@half=$$(( $(SEEDS) / 2 )); printf '%s\n' $(SEED) $$(( $(SEED) + half )) \
	  | xargs -P 2 -I{} $(BIN)/boomtown sim --seed {} --seeds $$half --hours 0.5
	@for bug in $(BUGS); do $(BIN)/boomtown sim --bug $$bug --seeds 500 --hours 0.5 \
	  && { echo "$$bug was not found" >&2; exit 1; } || true; done

# Record the traces of the first seeds, after a change that is meant to change them.
sim-hashes: venv
	PYTHONPATH=tests $(BIN)/python -m support.sim_hashes

# Measure beside workerd; prints ok or under for each target, and asserts nothing. `bench` takes
# two or three minutes, `bench-full` some twenty, and writes the plots.
bench: venv
	PYTHONPATH=tests $(BIN)/python benchmarks/run.py
bench-full: venv
	PYTHONPATH=tests $(BIN)/python benchmarks/run.py --full

# 200 seeds of half a simulated hour with every fault, and 20 of them a second time.
sim: venv
	PYTHONPATH=tests $(BIN)/python -m support.sim_campaign docs/sim.log

# Power cuts, kills and failures at every disk operation of the commit log, and its planted faults.
sweep: venv
	PYTHONPATH=tests $(BIN)/python -m support.commit_log_campaign docs/sweep.log

# 50,000 objects and 2,000 alarms within 1,000 open databases and 2,500 files; the log is kept.
many-objects: venv
	PYTHONPATH=tests $(BIN)/python -m support.many_objects docs/many-objects.log

# Put each known defect back, one at a time, in a copy of the tree: its own tests must fail.
mutants: venv
	$(BIN)/python tests/mutants.py

# What CI runs beside the tests: format, lint, both type checkers, the built wheel.
check: lint types wheel-check

# ruff, as formatter and as linter.
lint: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# mypy strict and pyright strict; and every public name has a type that no checker has to guess.
types: venv
	$(BIN)/mypy
	$(BIN)/pyright
	PYTHONPATH=tests $(BIN)/python -m support.public_types

# Build sdist and wheel, install the wheel alone into an empty environment, use it from outside.
wheel-check: venv
	$(BIN)/python tests/support/wheel_check.py

# Pin what is installed now.
constraints: venv
	$(BIN)/python -m pip list --format=freeze --exclude boomtown --exclude pip > constraints.txt

# Forget the environment and every cache.
clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache src/*.egg-info
