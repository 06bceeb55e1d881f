"""``python -m hrf_ser.predict bundle=... audio=file.wav|folder|pattern|-|mic``: hear emotions with a trained model."""

from __future__ import annotations

import glob
import sys
from pathlib import Path

from omegaconf import DictConfig

from hrf_ser.entry import entry_point
from hrf_ser.errors import UserError

EXTENSIONS = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64"}
MICROPHONE, LIST = "mic", "-"


@entry_point("predict", paths=("bundle", "audio", "out"))
def main(config: DictConfig) -> None:
    from hrf_ser.config import validate

    validate(config, "predict")
    check_out(config)
    if config.audio == MICROPHONE:
        hear_microphone(config)
    else:
        hear_files(config)


def hear_files(config: DictConfig) -> None:
    """Hear each file; the status is 1 where one is bad, and the others are heard all the same."""
    files = audio_files(config.audio)

    from hrf_ser.deploy.predict.listeners import open_listener
    from hrf_ser.deploy.predict.results import SCREEN, Heard, show, write
    from hrf_ser.deploy.runtime.windows import Windows

    windows = Windows(config.window_s, config.hop_s, config.smoothing_s)
    listener = open_listener(Path(config.bundle).expanduser(), config.threads)
    whole_s = float(config.whole_s)
    heard = []
    for file in files:
        try:
            heard.append(Heard(str(file), listener(file, windows=windows, whole_s=whole_s)))
        except UserError as error:
            heard.append(Heard(str(file), error=str(error)))
    if config.out != SCREEN:
        show(heard)
    if config.out is not None:
        write(config.out, listener.labels, heard, config.rows == "window")
    bad = [one for one in heard if one.error]
    for one in bad:
        print(f"Error: {one.error}", file=sys.stderr)
    if bad:
        sys.exit(1)


def hear_microphone(config: DictConfig) -> None:
    """Show what is heard until Ctrl-C, or for ``seconds``."""
    from hrf_ser.deploy.predict.listeners import open_listener
    from hrf_ser.deploy.predict.meter import Meter, listen
    from hrf_ser.deploy.predict.microphone import microphone
    from hrf_ser.deploy.predict.results import write_windows
    from hrf_ser.deploy.runtime.windows import Windows

    windows = Windows(config.window_s, config.hop_s, config.smoothing_s)
    listener = open_listener(Path(config.bundle).expanduser(), config.threads)
    kept = []
    try:
        with Meter(listener.labels) as meter:
            for posterior in listen(listener, microphone(config.device), windows, config.seconds):
                meter.show(posterior)
                if config.out is not None:
                    kept.append(posterior)
    except KeyboardInterrupt:
        pass
    finally:
        # What was heard before a microphone was unplugged is not lost.
        if kept:
            write_windows(config.out, MICROPHONE, listener.labels, kept)


def check_out(config: DictConfig) -> None:
    """Refuse a place for the results that cannot take them, before torch is imported.

    Raises:
        UserError: names it.
    """
    if config.out is not None:
        out = Path(config.out).expanduser()
        if config.out == "-" and config.audio == MICROPHONE:
            raise UserError("out=-: the screen has the meter already; give a .csv or .json file.")
        if config.out != "-" and out.suffix.lower() not in (".csv", ".json"):
            raise UserError(f"out={config.out}: is neither a .csv nor a .json file, nor - for CSV on the screen.")
        if out.is_dir():
            raise UserError(f"out={config.out}: is a folder; give the name of a file in it.")


def audio_files(audio: str) -> list[Path]:
    """The files that ``audio`` names: one, all of a folder and its folders, those that match a pattern, or those that the
    standard input lists, one a line.

    Raises:
        UserError: nothing there.
    """
    if audio == LIST:
        listed = [Path(line).expanduser() for line in sys.stdin.read().splitlines() if line.strip()]
        if not listed:
            raise UserError("audio=-: the standard input names no file; give one a line.")
        return listed
    path = Path(audio).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in EXTENSIONS and not p.name.startswith("._"))
    else:
        found = sorted(Path(match) for match in glob.glob(str(path), recursive=True) if Path(match).is_file())
    if not found:
        raise UserError(f"audio={audio}: no audio file is there; give a file, a folder or a pattern.")
    return found


if __name__ == "__main__":
    main()
