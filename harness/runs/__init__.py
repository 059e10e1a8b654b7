"""One suite from declaration to settled verdicts: what the plugin and the command line share."""
