"""A bundle as one file for another runtime, with a numerical equivalence check before the file is written."""
