import csv

import numpy as np
import soundfile


def test_prepare_writes_the_manifest_and_prints_the_counts(command, cache, tmp_path):
    finished = command("prepare", "data=demo", "data.options.utterances_per_cell=3", cwd=tmp_path)
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
