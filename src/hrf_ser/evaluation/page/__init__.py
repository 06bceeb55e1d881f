"""The page of a report: one HTML file that opens without a network."""

from hrf_ser.evaluation.page.render import render

__all__ = ["render"]
