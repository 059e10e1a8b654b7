PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: eval test lint clean

eval: $(STAMP)  ## run the suites: every strategy against the frozen holdout
	$(BIN)/pytest suites/

test: $(STAMP)  ## run the tests
	$(BIN)/pytest tests/

lint: $(STAMP)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv .holdfast reports/latest

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet torch -c constraints.txt
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(STAMP)
