"""The support tickets and what the embedded model makes of them, read once."""

import pytest
from support.embedded import MODEL, ROOT

from harness.drivers.encoder_model import Encoder, locate
from harness.fixtures_io.tasks import load_fixture


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
def vectors(holdout, pool):
    """Unit vectors of the holdout's texts, then the pool's."""
    texts = [case.inputs["text"] for case in (*holdout, *pool)]
    return Encoder(locate(MODEL), max_tokens=256).embed(texts)
