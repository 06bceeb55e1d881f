"""A bundle as one file for another runtime, published only if it decides as the bundle does."""
