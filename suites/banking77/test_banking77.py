"""Banking77 (PolyAI, Casanueva et al. 2020, CC BY 4.0): 77 intents of online-banking queries."""


def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), run.threshold("accuracy"))


def test_format_validity(run, gate):
    gate.at_least(run.format_validity(), run.threshold("format_validity"))
