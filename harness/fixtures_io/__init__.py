"""Files that declare and freeze: task.yaml, strategies.yaml, adapters, holdouts, locks, imports."""
