"""Sweeps: many runs with one command. Each run has an identity, is done once, and resumes after an interruption.

Hydra's launchers start the jobs (in this process, joblib, SLURM, Ray). This package plans the runs, skips those that are done,
locks their folders, records failures and prints the progress.
"""
