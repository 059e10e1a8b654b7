"""Reports built from verdicts and outcomes."""
