"""Charts of the report: what they show is worked out here, and matplotlib draws it where it is installed."""
