"""One seed for every test; and what the property tests compared, printed where HRF_SER_DIFFERENCES is set."""

import os

import hrf_cases
import pytest
import torch


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("HRF_SER_DIFFERENCES") and hrf_cases.differences:
        terminalreporter.section("compared, largest |a - b| / (1 + max |b|)")
        for subject, (count, largest) in sorted(hrf_cases.differences.items()):
            terminalreporter.write_line(f"{subject} | {count} | {largest:.1e}")
