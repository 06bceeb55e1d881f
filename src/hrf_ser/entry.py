"""What every ``python -m hrf_ser.<verb>`` has in common: where conf/ lies, and how errors end.

A mistake of the user ends in one sentence and exit status 1; a traceback means a bug, or ``HYDRA_FULL_ERROR=1``.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hrf_ser.config.command_line import normalise, parsed
from hrf_ser.errors import UserError
from hrf_ser.extras import PLUGINS, missing
from hrf_ser.parent import SWEEP_PROCESS, end_with_sweep
from hrf_ser.parts import expand, register_choices, resolve_targets
from hrf_ser.renamed import refuse_renamed, renamed

# Beginnings of what Hydra raises as a plain ValueError: of ``model=4``, and of numbers of thousands of digits.
_HYDRAS_OWN = ("Config group override must be", "Exceeds the limit")
# Exit status of a process that Ctrl-C ended, as shells report it.
SIGINT_STATUS = 130
_TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".parquet", ".xlsx")
_FULL_ERROR = "HYDRA_FULL_ERROR"
_FULL_WANTED = "HRF_SER_FULL_ERROR"


def conf_dir() -> Path:
    """The folder conf/: inside the installed package, or beside src/ in a checkout."""
    inside = Path(__file__).parent / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "conf"


def entry_point(
    config_name: str,
    paths: tuple[str, ...] = (),
    lists: tuple[str, ...] = (),
    positional: str | None = None,
    flags: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Decorator for a main function that takes the composed config.

    Args:
        config_name: file in conf/.
        paths: keys whose values are paths: taken as they are, so that spaces and commas in file names need no quoting.
        lists: those of them that may also be lists of paths.
        positional: the key that takes the words without a key.
        flags: a word of the command line -> the override that it stands for; one that ends with ``=`` takes the next word.
    """

    def decorate(main: Callable[[DictConfig], Any]) -> Callable[[], None]:
        @functools.wraps(main)
        def job(config: DictConfig) -> Any:
            # A launcher may have started this process, where nobody has registered them.
            register_resolvers()
            from hrf_ser.config.nulls import fill_nulls

            hydra_config = HydraConfig.get()
            if hydra_config.mode == RunMode.MULTIRUN:
                end_with_sweep(str(hydra_config.launcher.get("_target_")))
            try:
                refuse_lists(config, tuple(key for key in paths if key not in lists))
                fill_nulls(config, config_name)
                resolve_targets(config)
                return main(config)
            except Exception as error:
                # In a sweep Hydra collects the error; a single run ends here, before Hydra repeats the command line.
                if HydraConfig.get().mode == RunMode.RUN:
                    end(error, os.environ.get(_FULL_WANTED) == "1", config_name)
                raise

        @functools.wraps(main)
        def run() -> None:
            register_resolvers()
            full = os.environ.get(_FULL_ERROR) == "1"
            os.environ[_FULL_WANTED] = str(int(full))
            # Hydra would print its own pages of errors; with this it raises them, and each becomes a sentence.
            os.environ[_FULL_ERROR] = "1"
            try:
                words = normalise(expand_flags(sys.argv[1:], flags), conf_dir())
                if positional is not None:
                    words = name_paths(words, positional)
                if "data.root" in paths:  # Only verbs that read a corpus have parts of other packages.
                    register_choices()
                    words = expand(words)
                overrides = sys.argv[1:] = [quote_path(word, paths) for word in words]
                refuse_renamed(config_name, overrides)
                if {"--help", "-h"} & set(overrides):
                    from hrf_ser.config.help import help_text

                    print(help_text(config_name, conf_dir(), [one for one in overrides if not one.startswith("-")]))
                    return
                os.environ[SWEEP_PROCESS] = str(os.getpid())
                hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=config_name)(job)()
            except KeyboardInterrupt:
                print(
                    "Stopped by Ctrl-C; the same command resumes a sweep, or features that were not complete.",
                    file=sys.stderr,
                    flush=True,
                )
                sys.exit(SIGINT_STATUS)
            except Exception as error:
                end(error, full, config_name)

        return run

    return decorate


def end(error: Exception, full: bool, verb: str) -> NoReturn:
    """End with a sentence and status 1 where the user can fix the error; raise it otherwise, or where ``full`` is set."""
    if isinstance(error, BrokenPipeError):
        # The reader has closed the pipe, as `| head` does; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sentence = describe(error, verb)
    if sentence is None or full:
        raise error
    print(f"Error: {sentence}", file=sys.stderr)
    sys.exit(1)


def describe(error: BaseException, verb: str = "train") -> str | None:
    """The sentence for an error that the user can fix; None for any other."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _one_line(error, verb)
    if isinstance(error, ValueError) and str(error).startswith(_HYDRAS_OWN):
        return _one_line(error, verb)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = f"{error.filename}: " if error.filename else ""
        return (
            f"{place}no space is left on the disk; free some, or set hydra.run.dir=, cache_dir= or out= to another one."
        )
    if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno == errno.EROFS):
        return f"{error.filename}: no permission; choose another place or change its permissions."
    return None


def register_resolvers() -> None:
    """Resolvers that conf/ uses."""
    OmegaConf.register_new_resolver(
        "run_tag", lambda hrf, rank: f"hrf{float(rank):g}" if hrf else "plain", replace=True
    )


def refuse_lists(config: DictConfig, keys: tuple[str, ...]) -> None:
    """Refuse ``audio=[a.wav,b.wav]``, which Hydra reads as a list, where one path is meant.

    Raises:
        UserError: names the key.
    """
    for key in keys:
        if OmegaConf.is_config(OmegaConf.select(config, key)):
            raise UserError(
                f"{key} takes one path, not a list; quote it if its name has brackets: \"{key}='[1].wav'\"."
            )


def expand_flags(words: Sequence[str], flags: Mapping[str, str]) -> list[str]:
    """``--json --labels table.csv`` as the overrides that they stand for; ``--labels=table.csv`` is the same."""
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        override = flags.get(name, "")
        if override.endswith("="):
            found.append(override + (value if equals else next(rest, "")))
        else:
            found.append(flags.get(word, word))
    return found


def name_paths(words: list[str], key: str) -> list[str]:
    """``a.wav b.wav threads=2`` -> ``threads=2 audio=['a.wav','b.wav']``; options of Hydra stay, with their values."""
    found: list[str] = []
    rest: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        plain = word == "-" or not re.match(r"-|\{|[+~]*[\w.@/]+=", word) or Path(word).is_file()
        (found if plain and not before.startswith("--") else rest).append(word)
    if len(found) == 1:
        return [*rest, f"{key}={QuotedString(found[0], Quote.single).with_quotes()}"]
    quoted = ",".join(QuotedString(path, Quote.single).with_quotes() for path in found)
    return [*rest, f"{key}=[{quoted}]"] if found else rest


def quote_path(argument: str, keys: tuple[str, ...]) -> str:
    """``audio=my file, (1).wav`` -> the same quoted for Hydra's grammar; what is quoted, a list or a dictionary stays."""
    key, separator, value = argument.partition("=")
    if not separator or key not in keys or re.match(r"['\"\[]|\{\w+:", value) or _parses(argument):
        return argument
    return f"{key}={QuotedString(value, Quote.single).with_quotes()}"


def _parses(argument: str) -> bool:
    override = parsed(argument)
    return override is not None and isinstance(override.value(), str) and not override.is_sweep_override()


def _not_an_override(text: str) -> str | None:
    if (match := re.match(r"Error parsing override '(?P<word>.*?)'", text)) and "=" not in match["word"]:
        return f"{match['word']} is no setting: write key=value, such as data=table; --help lists all settings."
    if match := re.match(r"Ambiguous value for argument '(?P<override>.*?)'", text):
        return f"{match['override']} has several values: add -m to do a run with each, or quote it if it is one text."
    return None


def _unknown_choice(verb: str, group: str, name: str, text: str) -> str:
    if sentence := renamed(verb, group, name):
        return sentence
    if extra := PLUGINS.get((group, name)):
        return str(missing(f"Hydra's plugin for {group}={name}", extra))
    if group.partition("/")[0] == "data" and Path(name).suffix.lower() in _TABLES:
        file = "/".join((*group.split("/")[1:], name))
        return f"data={file} is a file: write data=table data.root={file}."
    known = re.search(r"Available options in '.*?':(?P<known>(?:\n\t\S+)*)", text)
    options = ", ".join(known["known"].split()) if known else "none"
    return f"{group}={name} is unknown: use one of {options}."


def _one_line(error: Exception, verb: str) -> str:
    """Hydra's and OmegaConf's messages without their line breaks and internals."""
    text = str(error).strip()
    if match := re.match(r"In '.*?': Could not find '(?P<group>.*)/(?P<name>.*?)'", text):
        return _unknown_choice(verb, match["group"], match["name"], text)
    if sentence := _not_an_override(text):
        return sentence
    if match := re.match(r"Could not override '(?P<key>.*?)'", text):
        from hrf_ser.config import unknown_key

        return unknown_key(verb, match["key"])
    lines = [
        line.strip() for line in re.split(r"\n\s*(?:full_key|object_type|Config search path)", text)[0].splitlines()
    ]
    return ", ".join(line.rstrip(",") for line in lines if line) or type(error).__name__
