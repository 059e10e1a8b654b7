"""A real byte-level BPE tokenizer, trained on the spot on support tickets and their answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TICKETS = Path(__file__).parents[2] / "fixtures/support_tickets"
PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}{{ eos_token }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


@lru_cache(maxsize=4)
def tiny_tokenizer(vocab: int = 2000) -> PreTrainedTokenizerFast:
    """A fast tokenizer of at most `vocab` tokens with a chat template; ids 0, 1 and 2 are pad, bos and eos. It is
    the same object on each call, so a test that changes it works on a copy."""
    return train_tokenizer(ticket_texts(), vocab)


def train_tokenizer(texts: Iterable[str], vocab: int) -> PreTrainedTokenizerFast:
    """A tokenizer like `tiny_tokenizer`'s, trained on `texts`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token=PAD, bos_token=BOS, eos_token=EOS, clean_up_tokenization_spaces=False
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def ticket_texts() -> list[str]:
    """The pool's tickets, their answers and the schema."""
    rows = [json.loads(line) for line in (TICKETS / "pool.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = [row["inputs"]["text"] for row in rows]
    answers = [json.dumps(row["expected"], ensure_ascii=False) for row in rows]
    return [*texts, *answers, (TICKETS / "schema.json").read_text(encoding="utf-8")]
