"""Utterances, folds, features on disk, and batches of them."""
