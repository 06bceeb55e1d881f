"""The performance suite runs and says what it should; what it finds is not tested, as machines differ."""

import json
import math
import sys
from collections import Counter

import pytest
import torch
from benchmarks import gpu, growth, memory, products, suite
from benchmarks.models import CLASSES, model_of, pass_of, utterances
from benchmarks.part import Settings, table
from benchmarks.reference.conformer import TorchaudioConformer, our_conformer
from benchmarks.reference.speechformer import StraightSpeechFormer
from benchmarks.references import our_speechformer
from benchmarks.rounds import compare, interleave, spread
from torch import nn

from hrf_ser.models import count_parameters

QUICK = Settings(quick=True, light=("conv_transformer",), large=())
# Minutes on a busy machine: they start Python again and again, or need a corpus.
LONG = ("epoch", "features", "memory", "startup", "training_step")


def test_candidates_are_interleaved_and_compared_within_their_round():
    order = []
    times = interleave({name: lambda name=name: order.append(name) for name in "ab"}, rounds=2, warm_up=1)
    assert order == list("ababab")
    assert {name: len(values) for name, values in times.items()} == {"a": 2, "b": 2}
    # A machine that is ten times slower in the last round: each round's ratio stays.
    compared = compare({"a": [1.0, 1.0, 10.0], "b": [0.5, 0.5, 5.0]})
    assert compared["b"]["ratio"] == {"median": 0.5, "low": 0.5, "high": 0.5}
    assert compared["a"]["ms"]["median"] == 1000
    assert spread([1.0, 2.0, 3.0]) == {"median": 2.0, "low": 1.5, "high": 2.5}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in suite.PARTS if name not in LONG])
def test_each_part_measures_and_writes_a_table(name, monkeypatch):
    monkeypatch.setattr(growth, "AXES", dict.fromkeys(("batch", "frames", "width", "rank"), (16, 32, 64)))
    monkeypatch.setattr(growth, "BATCH", 2)
    monkeypatch.setattr(growth, "FRAMES", 32)
    part = suite.PARTS[name]
    result = json.loads(json.dumps(part.measure(QUICK)))
    lines = [line for line in part.markdown(result).splitlines() if line.startswith("|")]
    assert len(lines) >= 3
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    assert "nan" not in part.markdown(result)


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_long_parts_too(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HRF_SER_CACHE", str(tmp_path))  # a larger demo corpus than that of other tests
    part = suite.PARTS[name]
    assert part.markdown(json.loads(json.dumps(part.measure(QUICK)))).count("\n") >= 3


def test_a_linear_has_three_products_and_a_convolution_too():
    linear = nn.Linear(8, 4)
    x = torch.randn(5, 8, requires_grad=True)
    shapes = products.shapes_of(lambda: linear(x).sum().backward())
    assert shapes == Counter({(1, 5, 8, 4): 1, (1, 5, 4, 8): 1, (1, 4, 5, 8): 1})
    assert products.multiply_adds(shapes) == 3 * 5 * 8 * 4
    convolution = nn.Conv1d(8, 4, 3, padding=1)
    of_features = torch.randn(2, 8, 10)  # no gradient is wanted for what is given
    shapes = products.shapes_of(lambda: convolution(of_features).sum().backward())
    assert products.multiply_adds(shapes) == 2 * 20 * 24 * 4
    depthwise = nn.Conv1d(8, 8, 3, groups=8)
    assert not products.shapes_of(lambda: depthwise(of_features).sum().backward())


def test_products_of_a_model_are_about_three_times_its_forward_pass():
    from hrf_ser.models import count_macs

    model = model_of("conv_transformer")
    features, lengths, labels = utterances(2, 100)
    shapes = products.shapes_of(lambda: pass_of(model)(features, lengths, labels))
    assert products.multiply_adds(shapes) == pytest.approx(3 * 2 * count_macs(model, 100, 64), rel=0.1)
    products.products_alone(shapes)()


def test_references_are_of_the_same_size_as_ours():
    assert count_parameters(StraightSpeechFormer(CLASSES)) == count_parameters(our_speechformer())
    sizes = {"width": 32, "heads": 2, "ffn": 64, "layers": 1, "kernel": 3, "dropout": 0.0}
    theirs = count_parameters(TorchaudioConformer(CLASSES, **sizes))
    assert count_parameters(our_conformer(CLASSES, positions="none", **sizes)) == pytest.approx(theirs, rel=0.02)


def test_the_straight_speechformer_sees_no_further_than_its_windows():
    from benchmarks.reference.speechformer import WindowAttention

    torch.manual_seed(0)
    attention = WindowAttention(8, 2, 5, 0.0).eval()
    x = torch.randn(1, 12, 8)
    changed = x.clone()
    changed[0, 6] += 1.0
    moved = (attention(x) - attention(changed)).abs().amax(-1)[0] > 1e-6
    assert moved.tolist() == [4 <= place <= 8 for place in range(12)]


def test_exponents_and_bends():
    line = {str(size): {"median": 3.0 + 0.001 * size**2} for size in (1, 2, 4, 256, 512, 1024)}
    exponents = growth.slopes(line)
    assert exponents[0] == pytest.approx(0, abs=0.01)
    assert exponents[-1] == pytest.approx(2, abs=0.05)
    assert [bend.split()[0] for bend in growth.bends(line)] == ["4", "256"]


def test_the_page_is_written_from_the_figures_alone(tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    monkeypatch.setattr(growth, "AXES", {"batch": (1, 2, 4)})
    monkeypatch.setattr(growth, "FRAMES", 32)
    words = ["suite", "--quick", "--no-large", "--models", "conv_transformer", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", [*words, "--parts", "products"])
    suite.main()
    monkeypatch.setattr(sys, "argv", [*words, "--parts", "growth"])
    suite.main()
    results = json.loads((out / "results.json").read_text())
    assert set(results["parts"]) == {"products", "growth"}, "what was measured before stays"
    assert results["machine"]["torch"] == torch.__version__
    docs = tmp_path / "docs"
    (docs / "explanation").mkdir(parents=True)
    (docs / "explanation" / "performance.md").write_text(
        f"before\n\n{suite.BEGIN}\nfigures of last year\n{suite.END}\n\nafter\n"
    )
    monkeypatch.setattr(suite, "DOCS", docs)
    monkeypatch.setattr(sys, "argv", ["suite", "--from", str(out / "results.json"), "--write-docs"])
    for _ in range(2):
        suite.main()
        page = (docs / "explanation" / "performance.md").read_text()
        assert page.startswith("before\n\n" + suite.BEGIN)
        assert page.endswith(suite.END + "\n\nafter\n")
        assert "last year" not in page
        assert page.count("python -m benchmarks.products --quick") == 1
    assert (docs / "images" / suite.PLOT).read_text().startswith("<?xml")
    assert "products alone" in capsys.readouterr().out
    (docs / "explanation" / "performance.md").write_text("no marks")
    with pytest.raises(SystemExit, match="lacks the marks"):
        suite.main()


def test_the_script_for_a_gpu_is_whole_and_survives_a_part_that_fails(tmp_path, monkeypatch, capsys):
    def out_of_memory(device):
        raise RuntimeError("out of memory")

    out = tmp_path / "gpu.json"
    monkeypatch.setattr(gpu, "PARTS", (gpu.correctness, gpu.steps, out_of_memory, gpu.references, gpu.runs_at_once))
    monkeypatch.setattr(sys, "argv", ["gpu", "--quick", "--out", str(out)])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main() == 1
    parts = json.loads(out.read_text())["parts"]
    assert parts["out_of_memory"] == {"error": "RuntimeError: out of memory"}
    assert max(entry["merged"] for entry in parts["correctness"].values()) < 1e-5
    assert set(parts["steps"]["conformer"]) == {"plain", "HRF x4"}
    assert "vectorised" in parts["runs_at_once"]["conformer"]
    printed = capsys.readouterr().out
    assert printed.startswith("No GPU was found")
    assert "out_of_memory: RuntimeError: out of memory" in printed


def test_tables_align_numbers_to_the_right():
    assert table(("name", "ms"), [("a", "1.5"), ("b", 2)]).splitlines()[1] == "| --- | ---: |"
    assert math.isfinite(memory.peak_mb())
