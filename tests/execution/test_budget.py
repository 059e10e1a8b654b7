"""A limit of cost on real calls: what is in flight counts, what replies tell is paid, and the rest is not asked."""

import pytest
from support.chat_server import ChatServer, Reply, answer, error

from harness.core.estimating import RequestSize
from harness.core.prompting import make_prompt
from harness.core.records import Adapter, Failure, Limits, Price, Request, Response, Settings, Usage
from harness.core.schemas import AnswerSchema
from harness.drivers.openai_chat import OpenAIChatDriver
from harness.execution import remote
from harness.execution.breaker import HOPELESS_IN_A_ROW
from harness.execution.budget import UNAFFORDABLE, RunBudget
from harness.execution.ledger import KeyMaker, Ledger
from harness.execution.scheduler import BATCH, execute
from harness.execution.spending import UNIT, Spending

PROMPT = make_prompt("Route the ticket.", AnswerSchema({"type": "object", "properties": {"n": {"type": "integer"}}}))
PRICE = Price(input_per_million=0.0, output_per_million=10_000.0)
"""One cent for each output token, so that a call of at most 100 may cost a dollar."""


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def requests(n):
    settings = Settings(max_tokens=100)
    for i in range(n):
        yield Request(prompt=PROMPT, case_id=f"c{i}", repeat=0, inputs={"text": f"ticket {i}"}, settings=settings)


def says(tokens, *, delay_s=0.0):
    """A server's answer of so many output tokens."""
    return lambda call: answer("{}", delay_s=delay_s, usage={"prompt_tokens": 50, "completion_tokens": tokens})


class Run:
    """`n` requests to a server under a limit, and what came of them."""

    def __init__(self, server, ledger, n, limit, *, price=PRICE, **limits):
        limits = Limits(**{"concurrency": 4, "retries": 0, "timeout_s": 20} | limits)
        options = {"base_url": server.base_url}
        adapter = Adapter(name="gpt", driver="openai_chat", model="m", options=options, limits=limits, file="gpt.yaml")
        driver = OpenAIChatDriver(adapter, environment={})
        self.spending = Spending(limit)
        self.account = self.spending.account("run")
        self.budget = RunBudget(self.spending, self.account, price=price, size=RequestSize(messages=True))
        self.replies = []
        execute(
            requests(n),
            driver=driver,
            keys=KeyMaker("openai_chat", driver.identity()),
            ledger=ledger,
            limits=limits,
            sink=lambda request, reply: self.replies.append(reply),
            budget=self.budget,
        )

    @property
    def answered(self):
        return sum(isinstance(reply, Response) for reply in self.replies)

    @property
    def refused(self):
        return sum(isinstance(reply, Failure) and reply.kind == UNAFFORDABLE for reply in self.replies)


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_calls_stop_before_the_limit_and_are_paid_by_what_they_used(ledger, concurrency):
    with ChatServer(says(20, delay_s=0.01)) as server:
        run = Run(server, ledger, 40, 4.0, concurrency=concurrency)
    # each costs 0.20; with more than 3.00 spent the next, which may cost 1.00, might pass 4.00
    assert server.count == run.answered == 16
    assert (run.refused, len(run.replies), len(ledger)) == (24, 40, 16)
    assert run.spending.spent == pytest.approx(3.2 * UNIT)
    assert (run.spending.reserved, run.account.calls) == (0, 16)
    assert run.budget.unaffordable == pytest.approx(1.0 * UNIT)


def test_what_is_in_flight_counts(ledger):
    with ChatServer(says(100, delay_s=0.1)) as server:
        run = Run(server, ledger, 40, 2.5, concurrency=16)
    assert (server.count, server.most_at_once) == (2, 2)
    assert run.spending.spent == 2 * UNIT


def test_a_higher_limit_goes_on_and_asks_nothing_twice(ledger):
    with ChatServer(says(20)) as server:
        first = Run(server, ledger, 40, 2.0)
        second = Run(server, ledger, 40, 100.0)
        assert 0 < first.answered < 40
        assert (second.answered, second.refused) == (40, 0)
        assert server.count == 40
        assert second.account.calls == 40 - first.answered


def test_what_the_ledger_knows_is_answered_whatever_is_left(ledger):
    with ChatServer(says(20)) as server:
        Run(server, ledger, 20, None)
        run = Run(server, ledger, 40, 0.0)
        assert (run.answered, run.refused, server.count) == (20, 20, 20)


def test_a_free_model_has_no_limit(ledger):
    with ChatServer(says(20)) as server:
        run = Run(server, ledger, 10, 0.0, price=Price(input_per_million=0.0, output_per_million=0.0))
    assert (run.answered, run.account.calls, run.account.usd) == (10, 10, 0.0)


@pytest.mark.parametrize(
    ("reply", "calls"),
    [
        (lambda call: answer("{}", usage=None), 3),
        (lambda call: Reply(body=b"{}"), 3),
        (lambda call: Reply(manner="hang"), 3),
        (lambda call: error(500), 12),
        (lambda call: error(429), HOPELESS_IN_A_ROW),
    ],
    ids=["no usage told", "bad response", "time-out", "server error", "too many requests"],
)
def test_what_may_have_been_billed_counts_as_the_most_that_it_may_cost(ledger, reply, calls, monkeypatch):
    monkeypatch.setattr(remote, "RATE_LIMITED_FOR_S", 0.0)
    with ChatServer(reply) as server:
        Run(server, ledger, 12, 3.5, timeout_s=0.3, concurrency=1)
        assert server.count == calls


def test_each_attempt_is_paid_for(ledger, monkeypatch):
    monkeypatch.setattr(remote, "FIRST_BACKOFF_S", 0.01)
    with ChatServer(lambda call: Reply(body=b"{}") if call.number % 2 == 0 else says(20)(call)) as server:
        run = Run(server, ledger, 10, 3.3, concurrency=1, retries=3)
    # 1.00 for what was no completion and 0.20 for its retry, then once more; 0.90 are left
    assert (server.count, run.answered) == (4, 2)
    assert run.spending.spent == pytest.approx(2.4 * UNIT)


def test_an_input_that_turns_out_larger_is_expected_of_the_next(ledger):
    price = Price(input_per_million=10_000.0, output_per_million=0.0)
    with ChatServer(lambda call: answer("{}", usage={"prompt_tokens": 500, "completion_tokens": 1})) as server:
        run = Run(server, ledger, 40, 11.0, price=price, concurrency=1)
    # 5.00 each: after two of them the estimate by size would still let a third one go
    assert server.count == 2
    assert run.budget.unaffordable == pytest.approx(5.0 * UNIT, rel=0.05)


class Local:
    """A model in this process that writes 20 tokens."""

    def __init__(self):
        self.batches = []

    def identity(self):
        return {"model": "local"}

    def answer(self, asked):
        self.batches.append(len(asked))
        return [Response(text="{}", usage=Usage(output_tokens=20)) for _ in asked]

    def close(self):
        pass


def test_a_model_in_this_process_answers_as_much_of_a_batch_as_can_be_afforded(ledger):
    driver, replies, spending = Local(), [], Spending(4.0)
    budget = RunBudget(spending, spending.account("run"), price=PRICE, size=RequestSize(messages=False))
    execute(
        requests(BATCH),
        driver=driver,
        keys=KeyMaker("local", driver.identity()),
        ledger=ledger,
        limits=Limits(),
        sink=lambda request, reply: replies.append(reply),
        budget=budget,
    )
    assert (sum(driver.batches), len(ledger), len(replies)) == (16, 16, BATCH)
    assert spending.spent == pytest.approx(3.2 * UNIT)
