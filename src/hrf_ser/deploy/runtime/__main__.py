"""``python -m hrf_ser.deploy.runtime model.onnx speech.wav``: predict emotions without torch."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from hrf_ser.deploy.runtime.emotion import Emotion
from hrf_ser.deploy.runtime.windows import Windows
from hrf_ser.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Predict for each file; the status is 1 where one of them, or the model, cannot be used."""
    options = _parser().parse_args(arguments)
    hop = min(1.0, options.window) if options.hop is None else options.hop
    try:
        windows = Windows(options.window, hop, options.smoothing)
        emotion = Emotion(options.model, options.threads)
        emotion.speech_gate = not options.no_speech_gate
    except UserError as error:
        return _bad(error)
    status = 0
    for name in options.audio:
        try:
            for result in _results(emotion, name, windows, options.stream):
                content = {"file": name, **result}
                print(json.dumps(content) if options.json else _line(content), flush=True)
        except UserError as error:
            status = _bad(error)
    return status


def _results(emotion: Emotion, name: str, windows: Windows, stream: bool) -> Iterator[dict[str, Any]]:
    """The prediction, or a posterior a window as the file is read."""
    if stream:
        yield from (posterior.as_dict() for posterior in emotion.windows(name, windows=windows))
    else:
        prediction = emotion(name, windows=windows)
        yield prediction.as_dict(windows=len(prediction.windows) > 1)


def _line(content: dict[str, Any]) -> str:
    place = f"{content['end']:8.2f} s  " if "end" in content else ""
    if content["emotion"] is None:
        return f"{content['file']}  {place}silence"
    if not content["probabilities"]:
        return f"{content['file']}  {place}{content['emotion']}"
    return f"{content['file']}  {place}{content['emotion']}  {max(content['probabilities'].values()):.2f}"


def _bad(error: UserError) -> int:
    print(f"Error: {error}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hrf_ser.deploy.runtime", description=__doc__)
    parser.add_argument("model", help="an exported .onnx file, or the folder that holds one")
    parser.add_argument("audio", nargs="+", help="audio files")
    parser.add_argument("--json", action="store_true", help="print a JSON object per line")
    parser.add_argument("--stream", action="store_true", help="print a line per window, as from a microphone")
    parser.add_argument("--window", type=float, default=3.0, help="length of a window, seconds (3)")
    parser.add_argument("--hop", type=float, help="distance of windows, seconds (1, or --window where that is less)")
    parser.add_argument("--smoothing", type=float, default=2.0, help="time constant of the moving average, seconds (2)")
    parser.add_argument("--no-speech-gate", action="store_true", help="give an emotion to any sound")
    parser.add_argument("--threads", type=int, default=1, help="threads of onnxruntime (1)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
