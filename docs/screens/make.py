"""Makes the screens in this folder: `python docs/screens/make.py`.

Four pull requests on the support tickets, each judged against the same accepted release: one that is approved, one that
breaks a critical category, one that can't be settled, and one that breaks the format. The model is simulated: it knows
the right answers and gets a declared share of them wrong, so that each report shows what it is meant to show. The
reports, their pages and the pictures are what Holdfast made of these answers.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WIDTH, HEIGHT = 1280, 1500
COLOURS = 96

MODEL = '''
"""A simulated model: the right answer, but for a declared share of the tickets."""

import hashlib
import json
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "fixtures" / "support_tickets"


@cache
def known():
    rows = [json.loads(line) for line in (FOLDER / "holdout.jsonl").read_text(encoding="utf-8").splitlines()]
    return {row["inputs"]["text"]: row["expected"] for row in rows}


def chance(text, what):
    return int.from_bytes(hashlib.sha256(f"{what}:{text}".encode()).digest()[:6], "big") / 2**48


def answer(inputs, *, wrong=0.0, noise=0.0, of={}, unusable=0.0):
    text = inputs["text"]
    right = known()[text]
    share = of.get(right["category"], wrong)
    found = right
    if chance(text, "wrong") < share or chance(text, f"noise {wrong}") < noise:
        others = sorted({json.dumps(a) for a in known().values() if a["category"] != right["category"]})
        found = json.loads(others[int(chance(text, "other") * len(others))])
    written = json.dumps(found)
    if chance(text, "unusable") >= unusable:
        return written
    kinds = [
        f"```json\\n{written}\\n```",
        f"Sure! Here is the decision you asked for: {written}",
        json.dumps({k: v for k, v in found.items() if k != "team"}),
        json.dumps(found | {"category": "technical_issue"}),
        written[: len(written) // 2],
    ]
    return kinds[int(chance(text, "kind") * len(kinds))]
'''

TESTS = '''
"""Support tickets: accurate, always usable, never worse where it is dear."""


def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), run.threshold("accuracy"))


def test_format_validity(run, gate):
    gate.at_least(run.format_validity(), run.threshold("format_validity"))


def test_costly_errors(run, gate):
    gate.at_most(run.costly_error_rate(), run.threshold("costly_error_rate"))


def test_no_regression(run, baseline, gate):
    gate.no_worse(run.accuracy(), baseline.accuracy(), margin=0.03)


def test_critical_categories(run, baseline, gate, critical_slice):
    gate.no_worse(
        run.accuracy(slice=critical_slice), baseline.accuracy(slice=critical_slice), margin=0.15, role="guard"
    )
'''

STRATEGIES = """
task: support_tickets
adapter: simulated
thresholds: {accuracy: 0.80, format_validity: 0.97, costly_error_rate: 0.10}
strategies:
  small:   {stage: reference, prompt: prompts/instructions.md, adapter: small}
  release: {stage: shipped, prompt: prompts/instructions.md}
"""

ACCEPTED = {"wrong": 0.10, "noise": 0.01}
SMALL = {"wrong": 0.30, "noise": 0.01}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A pull request: what its model does, and what it changed in the prompt. `instead` maps old words to new ones."""

    name: str
    title: str
    about: str
    options: dict[str, Any]
    instead: dict[str, str] = field(default_factory=dict)


SCENES = (
    Scene(
        name="approved",
        title="An approved change",
        about="Definitions were sharpened: fewer errors, none of them in a critical category.",
        options={"wrong": 0.055, "noise": 0.005},
        instead={"Tone never counts.": "Tone never counts.\nName the cause that the customer states, not the mood."},
    ),
    Scene(
        name="blocked",
        title="A blocked regression in a critical category",
        about="The same improvement over all, paid for with security incidents.",
        options={"wrong": 0.055, "noise": 0.005, "of": {"security_incident": 0.5}},
        instead={"Tone never counts.": "Tone never counts.\nA strange login is a login problem unless data was lost."},
    ),
    Scene(
        name="inconclusive",
        title="An inconclusive change",
        about="A few cases lost, a few gained: these cases can't exclude a loss of three points.",
        options={"wrong": 0.115, "noise": 0.02},
        instead={"Tone never counts.": "Tone never counts. Be brief."},
    ),
    Scene(
        name="broken_format",
        title="A broken format",
        about="The model's new version chats: one answer in eight can't be used.",
        options={"wrong": 0.10, "noise": 0.01, "unusable": 0.125},
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE, help="where pictures and pages are written")
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser that takes the pictures")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for scene in SCENES:
        with tempfile.TemporaryDirectory() as folder:
            report = judged(Path(folder), scene)
            shutil.copy(report / "report.md", options.out / f"{scene.name}.md")
            _pictures(report / "report.html", options.out / scene.name, options.chromium)
        print(options.out / f"{scene.name}.png", flush=True)
    (options.out / "README.md").write_text(_index(), encoding="utf-8")


def judged(project: Path, scene: Scene) -> Path:
    """The report folder of a scene: a release is accepted, then the change is judged against it."""
    shutil.copytree(ROOT / "fixtures/support_tickets", project / "fixtures/support_tickets")
    shutil.copytree(ROOT / "suites/support_tickets/prompts", project / "suites/support_tickets/prompts")
    (project / "adapters").mkdir()
    (project / "pyproject.toml").write_text("[tool.pytest.ini_options]\n", encoding="utf-8")
    (project / "adapters/model.py").write_text(MODEL, encoding="utf-8")
    (project / "suites/support_tickets/test_support_tickets.py").write_text(TESTS, encoding="utf-8")
    (project / "suites/support_tickets/strategies.yaml").write_text(STRATEGIES, encoding="utf-8")
    _adapter(project, "small", SMALL)
    _adapter(project, "simulated", ACCEPTED)
    _pytest(project, "--gate-accept", "Release 41")
    _adapter(project, "simulated", scene.options)
    prompt = project / "suites/support_tickets/prompts/instructions.md"
    text = prompt.read_text(encoding="utf-8")
    for old, new in scene.instead.items():
        if old not in text:
            raise SystemExit(f"{scene.name}: the prompt has no {old!r} to change")
        text = text.replace(old, new, 1)
    prompt.write_text(text, encoding="utf-8")
    _pytest(project)
    return project / "reports/latest"


def _adapter(project: Path, name: str, options: dict[str, Any]) -> None:
    text = f"driver: python\nmodel: model.py:answer\noptions: {json.dumps(options)}\n"
    (project / f"adapters/{name}.yaml").write_text(text, encoding="utf-8")


def _pytest(project: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pytest", "suites/", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or (arguments and done.returncode):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")


def _pictures(page: Path, stem: Path, chromium: str | None) -> None:
    """The top of the page, in light and in dark."""
    from playwright.sync_api import sync_playwright

    if chromium is None:
        raise SystemExit("no Chromium was found: install it (Debian: apt-get install chromium) or give --chromium PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for scheme, suffix in (("light", ""), ("dark", "_dark")):
            tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
            tab.goto(page.as_uri())
            _save(tab.screenshot(), Path(f"{stem}{suffix}.png"))
            tab.close()
        browser.close()


def _save(png: bytes, file: Path) -> None:
    """With a palette, which takes a third of the bytes."""
    from PIL import Image

    Image.open(io.BytesIO(png)).quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


def _index() -> str:
    parts = [
        "# What a reviewer sees",
        "Four pull requests on the support tickets, judged against one accepted release. The model is simulated, so "
        "that each report shows what it is meant to show; `python docs/screens/make.py` makes them again.",
    ]
    for scene in SCENES:
        parts += [
            f"## {scene.title}",
            scene.about,
            f"![report.html of {scene.title.lower()}]({scene.name}.png)",
            f"[The same as markdown]({scene.name}.md), and [in the dark]({scene.name}_dark.png).",
        ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
