"""``hrf-ser completion bash|zsh|fish``: a script that completes verbs, settings, their values and paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import OmegaConf

from hrf_ser.cli import VERBS
from hrf_ser.config.describe import choices, is_group, settings_of
from hrf_ser.config.schema import SCHEMAS
from hrf_ser.entry import conf_dir
from hrf_ser.errors import UserError

SHELLS = {
    "bash": 'eval "$(hrf-ser completion bash)" in ~/.bashrc',
    "zsh": 'eval "$(hrf-ser completion zsh)" in ~/.zshrc, after compinit',
    "fish": "hrf-ser completion fish > ~/.config/fish/completions/hrf-ser.fish",
}
_BASH = """\
_hrf_ser() {
    local word="${COMP_WORDS[COMP_CWORD]}" key="" verb="${COMP_WORDS[1]}" settings="" values="" prefix=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "@VERBS@" -- "$word"))
        return
    fi
    # bash splits a word at =, zsh does not.
    if [ "$word" = "=" ]; then
        key="${COMP_WORDS[COMP_CWORD-1]}" word=""
    elif [ "${COMP_WORDS[COMP_CWORD-1]}" = "=" ]; then
        key="${COMP_WORDS[COMP_CWORD-2]}"
    elif [ "${word#*=}" != "$word" ]; then
        key="${word%%=*}" word="${word#*=}" prefix="$key="
    fi
    case "$verb" in
@SETTINGS@
    esac
    if [ -z "$key" ]; then
        COMPREPLY=($(compgen -W "$settings" -- "$word") $(compgen -f -- "$word"))
        case "${COMPREPLY[*]}" in
            *" "*) ;;
            *=) type compopt >/dev/null 2>&1 && compopt -o nospace ;;
        esac
        return
    fi
    case "$verb $key" in
@VALUES@
    esac
    if [ -n "$values" ]; then
        COMPREPLY=($(compgen -P "$prefix" -W "$values" -- "$word"))
    else
        COMPREPLY=($(compgen -P "$prefix" -f -- "$word"))
    fi
}
complete -o filenames -F _hrf_ser hrf-ser
"""


def main(arguments: Sequence[str]) -> None:
    """Print the script for a shell.

    Raises:
        UserError: no such shell.
    """
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        usage = "; ".join(f"{shell}: {line}" for shell, line in SHELLS.items())
        raise UserError(f"completion takes a shell ({usage}).")
    print(script(arguments[0]), end="")


def script(shell: str) -> str:
    """The script for ``bash``, ``zsh`` or ``fish``."""
    settings = {verb: completions(verb) for verb in SCHEMAS}
    settings["record"] = settings["predict"]
    settings["completion"] = dict.fromkeys(SHELLS, ())
    if shell == "fish":
        return _fish(settings)
    keys = [f'        {verb}) settings="{" ".join(known)}" ;;' for verb, known in settings.items()]
    values = [
        f'        "{verb} {key.removesuffix("=")}") values="{" ".join(allowed)}" ;;'
        for verb, known in settings.items()
        for key, allowed in known.items()
        if allowed
    ]
    text = _BASH.replace("@VERBS@", " ".join(VERBS)).replace("@SETTINGS@", "\n".join(keys))
    text = text.replace("@VALUES@", "\n".join(values))
    return f"autoload -U +X bashcompinit && bashcompinit\n{text}" if shell == "zsh" else text


def completions(verb: str) -> Mapping[str, Sequence[str]]:
    """``key=`` -> the values of a setting or a group of files that has a few; empty for any other."""
    found: dict[str, Sequence[str]] = {}
    for entry in OmegaConf.load(conf_dir() / f"{verb}.yaml").defaults:
        for group in entry if OmegaConf.is_dict(entry) else ():
            folder: Path = conf_dir() / str(group)
            if folder.is_dir():
                found[f"{group}="] = sorted(path.stem for path in folder.glob("*.yaml"))
    for key, node in settings_of(SCHEMAS[verb]).items():
        if not is_group(node):
            found.setdefault(f"{key}=", choices(node))
    return found


def _fish(settings: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    lines = [
        f"complete -c hrf-ser -f -n __fish_use_subcommand -a {verb} -d '{description.partition(':')[0]}'"
        for verb, description in VERBS.items()
    ]
    for verb, known in settings.items():
        words = [*known, *(f"{key}{value}" for key, allowed in known.items() for value in allowed)]
        lines.append(f"complete -c hrf-ser -n '__fish_seen_subcommand_from {verb}' -a '{' '.join(words)}'")
    return "\n".join(lines) + "\n"
