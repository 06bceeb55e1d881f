"""One line has the version; a release is a tag of it."""

import subprocess

import pytest

import hrf_ser
from helpers import REPOSITORY


def test_a_tag_of_this_commit_names_this_version():
    line = ["git", "tag", "--points-at", "HEAD", "v*"]
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    tags = done.stdout.split()
    if done.returncode or not tags:
        pytest.skip("no release: this commit has no tag v...")
    assert tags == [f"v{hrf_ser.__version__}"]
