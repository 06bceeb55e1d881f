"""Sweeps: many runs of one question. Each has an identity, is done once, and survives whatever stops the sweep.

Engines are Hydra's: a launcher runs the jobs (in this process, joblib, SLURM, Ray). What is here plans them, leaves out what is
done, claims a run so that two sweeps never do the same one, records failures and tells how far the sweep is.
"""
