"""Hearing files and microphones from the command line, with a bundle or an exported file."""
