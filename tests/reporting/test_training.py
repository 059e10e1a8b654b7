"""The training curves in a report."""

from support.small_report import report, right, suite_report, table

from harness.reporting.markdown import report_markdown
from harness.reporting.model import TrainedEpoch, TrainedWeights


def weights(losses, kept):
    curve = [
        TrainedEpoch(number=number, training_loss=training, validation_loss=validation, exact=0.5)
        for number, (training, validation) in enumerate(losses, 1)
    ]
    return TrainedWeights(runs=["tuned"], training_cases=90, validation_cases=10, curve=curve, kept_epoch=kept)


def page(trained):
    return report_markdown(report(suite_report({"base": table(right), "tuned": table(right)}, trained=trained)))


def test_curves_show_which_epoch_was_kept_and_that_later_ones_overfit():
    text = page({"lora": weights([(2.0, 1.5), (0.5, 1.0), (0.1, 1.2)], 2)})
    assert "### How the weights were trained" in text
    assert "`lora`, used by `tuned`: 90 pool cases to train on and 10 to validate with." in text
    assert "At the kept epoch the validation loss is 1.000, the training loss 0.500." in text
    assert (
        "overfit and were not kept: the validation loss rose to 1.200 by epoch 3, while the training loss fell to 0.100"
        in text
    )
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "█" in line]
    assert [row[0] for row in rows] == ["1", "**2** (kept)", "3"]
    assert rows[0] == ["1", "2.000", "█" * 20, "1.500", "█" * 15, "50.0%"]
    assert rows[2][2:5] == ["█", "1.200", "█" * 12]


def test_a_training_that_could_go_on_is_told_as_such():
    text = page({"lora": weights([(2.0, 1.5), (0.5, 1.0)], 2)})
    assert "the training loss 0.500; the validation loss was still falling when the training ended." in text
    assert "overfit" not in text


def test_a_validation_loss_that_rose_with_the_training_loss_is_no_overfitting():
    text = page({"lora": weights([(0.5, 1.0), (0.7, 1.3)], 1)})
    assert "the training loss 0.500; the validation loss rose to 1.300 by epoch 2." in text
    assert "overfit" not in text


def test_nothing_is_said_where_nothing_was_trained():
    assert "trained" not in page({})
