"""From a raw labelled table to cases that can be frozen: cleaning, masking, duplicates, label quality, split."""
