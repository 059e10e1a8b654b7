"""Holdfast: an evaluation harness and regression gate for prompts and models."""

__version__ = "0.1.0"
