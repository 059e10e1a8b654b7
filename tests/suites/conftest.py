"""The support tickets and what the embedded model makes of them, read once."""

import numpy as np
import pytest
from support.embedded import MODEL, ROOT

from harness.core.digests import digest
from harness.drivers.encoder_model import Encoder, file_digest, locate, weights_file
from harness.fixtures_io.tasks import load_fixture

MAX_TOKENS = 256


@pytest.fixture(scope="session")
def fixture():
    return load_fixture(ROOT / "fixtures" / "support_tickets")


@pytest.fixture(scope="session")
def holdout(fixture):
    return fixture.holdout()


@pytest.fixture(scope="session")
def pool(fixture):
    return fixture.pool()


@pytest.fixture(scope="session")
def vectors(request, holdout, pool):
    """Unit vectors of the holdout's texts, then the pool's; kept in pytest's cache, since they take a minute."""
    texts = [case.inputs["text"] for case in (*holdout, *pool)]
    model = locate(MODEL)
    name = digest([MAX_TOKENS, file_digest(weights_file(model)), texts])[:16]
    cache = getattr(request.config, "cache", None)
    file = cache.mkdir("holdfast_vectors") / f"{name}.npy" if cache else None
    if file and file.exists():
        return np.load(file)
    found = Encoder(model, max_tokens=MAX_TOKENS).embed(texts)
    if file:
        with file.with_suffix(".partial").open("wb") as partial:
            np.save(partial, found)
        file.with_suffix(".partial").replace(file)
    return found
