import pytest
import torch

from hrf_ser.audio.front_end import FrontEndConfig, LogMel
from hrf_ser.deploy.bundle import load_bundle
from hrf_ser.deploy.export.waveform import MatrixMel, PaddedClassifier, WaveformClassifier


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"window_ms": 32, "hop_ms": 8, "f_max": 4000},
        {"window_ms": 10, "hop_ms": 10, "n_mels": 12, "f_min": 200},
        {"window_ms": 50, "hop_ms": 5},
    ],
)
@pytest.mark.parametrize("samples", [1, 159, 160, 5_003])
def test_matrix_products_give_the_energies_of_the_fft(options, samples):
    front_end = LogMel(FrontEndConfig(**options))
    waveform = torch.randn(2, samples)
    expected = front_end.mel(waveform)
    torch.testing.assert_close(MatrixMel(front_end)(waveform), expected, rtol=1e-3, atol=1e-6 * float(expected.max()))


def test_a_window_without_a_centre_stays_with_the_fft(bundles):
    classifier = load_bundle(bundles["conv_transformer"])
    odd = LogMel(FrontEndConfig(n_mels=20, window_ms=401 / 16))
    classifier.front_end = odd
    assert not isinstance(PaddedClassifier(classifier).classifier.front_end.mel, MatrixMel)


@pytest.mark.parametrize("samples", [1, 700, 40_000])
@pytest.mark.parametrize("model", ["conv_transformer", "conformer", "speechformer"])
def test_graph_equals_bundle_and_padding_inside_it_does_not_count(bundles, model, samples):
    classifier = load_bundle(bundles[model])
    waveform = 0.1 * torch.randn(2, samples)
    lengths = torch.tensor([samples, samples])
    with torch.inference_mode():
        expected = classifier(waveform, lengths)
        logits, probabilities = WaveformClassifier(classifier)(waveform)
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(probabilities, expected.softmax(-1), atol=1e-5, rtol=0)
        padded = torch.randn(2, samples + 9_000)
        padded[:, :samples] = waveform
        torch.testing.assert_close(PaddedClassifier(classifier)(padded, lengths)[0], expected, atol=1e-5, rtol=0)
