"""Lightweight Transformers for speech emotion recognition, trained with high-rank factorization (HRF)."""

__version__ = "0.1.0"
