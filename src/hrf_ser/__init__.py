"""Lightweight Transformers for speech emotion recognition, trained with high-rank factorization (HRF)."""

from hrf_ser.deploy.load import load as load

__version__ = "0.1.0"
