"""Pretrained speech encoders, frozen: statistics of their layers as features."""
