"""A small project of real files, which a test then breaks."""

import json

import pytest

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["category", "priority", "escalate"],
    "properties": {
        "category": {"enum": ["billing", "outage", "data_loss"]},
        "priority": {"enum": ["P1", "P2", "P3"]},
        "escalate": {"type": "boolean"},
        "note": {"type": "string"},
    },
}
TASK = """\
name: tickets
schema: schema.json
guide: guide.md
personal_data: masked
attribution: made up for tests
decision_fields: [category, priority, escalate]
slices:
  outage: {where: {category: outage}, critical: true}
  money: {where: {category: [billing], escalate: false}}
  imminent: {tag: imminent}
costs:
  invalid: 25
  review: 3
  category: {default: 4, from: {outage: {any: 60, billing: 70}}}
  priority: {ordinal: [P1, P2, P3], under: 8, over: 1}
  escalate: {missed: 50, needless: 2}
costly: {at_least: 20}
"""
STRATEGIES = """\
task: tickets
adapter: rules
thresholds: {accuracy: 0.8, format_validity: 0.98}
strategies:
  base: {stage: reference, prompt: prompts/base.md}
  tuned: {stage: shipped, prompt: prompts/base.md, thresholds: {accuracy: 0.9}}
"""
PROMPT = "Decide.\n\n## category\n- billing: invoices\n- outage: nothing works\n"
RULES = "driver: python\nmodel: rules.py:answer\n"
GPT = """\
driver: openai_chat
model: gpt-4.1-mini
base_url: ${OPENAI_BASE_URL:-https://api.openai.com/v1}
api_key: ${OPENAI_API_KEY}
external: true
limits: {concurrency: 64, requests_per_minute: 5000, timeout_s: 30, retries: 2}
price: {input_per_million: 0.4, output_per_million: 1.6}
"""
ROWS = [
    {"id": "c1", "inputs": {"text": "down"}, "expected": {"category": "outage", "priority": "P1", "escalate": True}},
    {"id": "c2", "inputs": {"text": "bill"}, "expected": {"category": "billing", "priority": "P3", "escalate": False}},
]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The root of a project without any mistake, and the current folder, so that messages show short paths."""
    files = {
        "fixtures/tickets/schema.json": json.dumps(SCHEMA),
        "fixtures/tickets/task.yaml": TASK,
        "fixtures/tickets/guide.md": "Label what is written.\n",
        "fixtures/tickets/holdout.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
        "fixtures/tickets/pool.jsonl": json.dumps(ROWS[0] | {"id": "p1"}) + "\n",
        "suites/tickets/strategies.yaml": STRATEGIES,
        "suites/tickets/prompts/base.md": PROMPT,
        "adapters/rules.yaml": RULES,
        "adapters/gpt.yaml": GPT,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def edit(root):
    """edit(file, old, new) replaces a text that stands in a file of the project exactly once."""

    def change(file, old, new):
        path = root / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change
