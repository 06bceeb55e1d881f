"""The files of conf/ that are chosen by name."""

from __future__ import annotations

from pathlib import Path

# In the order in which they are read; `hydra` holds the library's own groups.
GROUPS = {
    "experiment": "Whole recipes. With `-m` an experiment may be a sweep.",
    "model": "Backbones: [all options](models.md).",
    "data": "Corpora: [all options](corpora.md). `data@test_data=` chooses another corpus to test on.",
    "features": "The front end.",
    "protocol": "Checkpoint selection: [protocols](../explanation/protocols.md).",
    "teacher": "What a model learns from beside labels: [distillation](../guides/distillation.md).",
    "label_map": "Classes that several corpora share.",
    "callbacks": "Lightning callbacks.",
    "logger": "Lightning loggers. Local files are always written.",
    "trainer": "Lightning's Trainer. `trainer.<name>=` sets any argument of it that makes sense here.",
    "launcher": "Where the runs of a sweep are executed: [sweeps](../guides/sweeps.md).",
    "sweeper": "How the runs of a sweep are chosen.",
    "debug": "Fast runs that test the code.",
}


def presets_page(conf: Path) -> str:
    """Each group with its files."""
    folders = {path.name for path in conf.iterdir() if path.is_dir()} - {"hydra"}
    parts = []
    for group in (*GROUPS, *sorted(folders - GROUPS.keys())):
        parts.append(f"## {group} {{ #{group} }}\n\n{GROUPS.get(group, '')}")
        for path in sorted((conf / group).glob("*.yaml")):
            content = path.read_text(encoding="utf-8").rstrip()
            parts.append(f"### {group}={path.stem} {{ #{group}-{path.stem} }}\n\n```yaml\n{content}\n```")
    return "\n\n".join(parts)
