"""The ledger of predictions and the scheduler that fills it."""
