import csv

import numpy as np
import soundfile


def test_prepare_writes_the_manifest_and_prints_the_counts(command, cache, tmp_path):
    finished = command("prepare", "data=demo", "data.options.utterances_per_cell=3", cwd=tmp_path, fresh=True)
    assert finished.returncode == 0, finished.stderr
    assert "demo: utterances by fold and class" in finished.stdout
    assert "complete" not in finished.stdout, "nobody distributes the demo corpus"
    with (cache / "demo/manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 144
    assert all(float(row["duration"]) > 0.3 for row in rows)
    assert list((cache / "demo/features").glob("*/frames.f32"))
    assert not list(tmp_path.iterdir())


def test_prepare_says_what_differs_from_the_distribution(command, cache, tmp_path, tone):
    path = tone("EmoDB/wav/03a01Fa.wav")
    finished = command("prepare", "data=emodb", f"data.root={path.parents[1]}", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "not complete" in finished.stdout
    assert "differs from the distribution: 1 utterances found, 535 in the distribution" in finished.stdout
    assert "what to do    unpack http://emodb.bilderbar.info" in finished.stdout


def test_prepare_names_bad_audio_and_stops(command, tmp_path, tone):
    path = tone("EmoDB/wav/03a01Fa.wav")
    path.with_name("03a01Nc.wav").write_text("no audio")
    arguments = ("prepare", "data=emodb", f"data.root={path.parents[1]}")
    finished = command(*arguments, cwd=tmp_path)
    assert finished.returncode == 1
    assert "03a01Nc.wav: cannot be read as audio" in finished.stderr.splitlines()[-1]
    assert command(*arguments, "data.on_bad_audio=skip", cwd=tmp_path).returncode == 0


def test_prepare_takes_the_folds_and_classes_that_train_takes(command, tmp_path, tone):
    rows = []
    for speaker in "abcd":
        path = tone(f"{speaker}.wav", seconds=0.4)
        rows += [
            f"{path.name};{label};{speaker};0,{start};0,{start + 1}"
            for start, label in enumerate(("froh", "Froh", "bös"))
        ]
    table = tmp_path / "corpus.csv"
    table.write_bytes("\r\n".join(("path;label;speaker;start;end", *rows)).encode("cp1252"))
    arguments = ("prepare", "data=table", f"data.root={table}", "protocol.folds=2", "fold=1of2")
    finished = command(*arguments, cwd=tmp_path)
    assert "is not UTF-8 (line 4): name its encoding with data.options.encoding=" in finished.stderr
    finished = command(*arguments, "data.options.encoding=cp1252", "protocol=last_epoch", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "corpus.csv is separated by semicolons" in finished.stdout
    assert "the classes 'Froh', 'froh' differ in spelling only" in finished.stdout
    assert "fold=1of2  train 6, val 0, test 6 utterances under protocol=last_epoch" in finished.stdout
    joined = ("data.options.encoding=cp1252", '+label_map.classes={froh: [froh, Froh], boese: ["bös"]}')
    finished = command(*arguments[:-1], *joined, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert [line.split() for line in finished.stdout.splitlines() if line.startswith("1of2")] == [
        ["1of2", "4", "2", "6", "2"]
    ]


def test_a_setting_of_another_verb_is_called_so(command, tmp_path):
    finished = command("prepare", "seed=1", cwd=tmp_path)
    assert finished.stderr == "Error: seed is a setting of train and not of prepare: leave it out.\n"


def test_prepare_counts_channels_that_cancel(command, tmp_path, tone):
    path = tone("EmoDB/wav/03a01Fa.wav")
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000)
    for name in ("03a01Nc.wav", "03a01Wa.wav"):
        soundfile.write(path.with_name(name), np.stack([wave, -wave], axis=1), 16_000)
    finished = command(
        "prepare", "data=emodb", f"data.root={path.parents[1]}", f"cache_dir={tmp_path / 'cache'}", cwd=tmp_path
    )
    assert finished.returncode == 0, finished.stderr
    assert (
        "the channels of 2 recordings cancel: their loudest channel is used instead of the mean (03a01Nc,"
        in finished.stdout
    )
