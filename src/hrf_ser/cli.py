"""The command ``hrf-ser <verb> ...``: each verb with the overrides of ``python -m hrf_ser.<verb>``."""

from __future__ import annotations

import sys
from importlib import import_module

from hrf_ser import __version__
from hrf_ser.errors import UserError

# Verb -> what it does; the verbs with settings are modules of that name.
VERBS = {
    "predict": "predict emotions: hrf-ser predict a.wav b.m4a recordings/ [--json | --csv]",
    "record": "predict from the microphone until Ctrl-C: hrf-ser record [seconds=10]",
    "demo": "open a page that runs a model in the browser",
    "prepare": "read a corpus and compute its features",
    "train": "train a model: hrf-ser train data=ravdess data.root=/path/to/RAVDESS",
    "report": "compare finished runs",
    "export": "write a bundle as one file: hrf-ser export bundle=runs/<run>/bundle format=onnx",
    "benchmark": "measure a bundle's speed",
    "push": "upload a bundle to the Hugging Face hub: hrf-ser push runs/<run>/bundle hf:owner/name",
    "workspace": "set up a W&B workspace",
    "doctor": "print versions, devices, optional parts and caches",
    "completion": "print a script for tab completion: hrf-ser completion bash|zsh|fish",
}
OTHERS = ("record", "push", "doctor", "completion")


def main() -> None:
    """Run a verb; a mistake of the user ends in one sentence and exit status 1."""
    verb, *arguments = sys.argv[1:] or ["--help"]
    if verb in ("-h", "--help", "help"):
        print(help_text())
    elif verb in ("-V", "--version"):
        print(f"hrf_ser {__version__}")
    elif verb == "record":
        sys.argv = ["hrf-ser record", "audio=mic", *arguments]
        import_module("hrf_ser.predict").main()
    elif verb in OTHERS:
        try:
            import_module(f"hrf_ser.{verb}").main(arguments)
        except UserError as error:
            sys.exit(f"Error: {error}")
    elif verb in VERBS:
        sys.argv = [f"hrf-ser {verb}", *arguments]
        import_module(f"hrf_ser.{verb}").main()
    else:
        sys.exit(f"Error: {verb} is no verb: use one of {', '.join(VERBS)}.")


def help_text() -> str:
    """What ``hrf-ser --help`` prints."""
    lines = [f"  {verb:<11} {description}" for verb, description in VERBS.items()]
    return "\n".join(
        ["usage: hrf-ser <verb> [key=value ...]", "", *lines, "", "hrf-ser <verb> --help lists its settings."]
    )


if __name__ == "__main__":
    main()
