import pytest
import torch
from torch import nn

Dim = torch.export.Dim
# The other structures are exported by the slow test below.
PUBLISHED = [
    ("conv_transformer", {}),
    ("conformer", {}),
    ("speechformer", {}),
    ("conv_transformer", {"ensemble_size": 2}),
]


@pytest.mark.parametrize("small_model", PUBLISHED, indirect=True, ids=str)
def test_exported_program_takes_any_batch_and_any_longer_utterance(small_model: nn.Module) -> None:
    small_model.eval()
    example = (torch.randn(2, 130, 6), torch.tensor([130, 130]))
    dynamic = ({0: Dim.DYNAMIC, 1: Dim.DYNAMIC}, {0: Dim.DYNAMIC})
    program = torch.export.export(small_model, example, dynamic_shapes=dynamic)
    for lengths in ([101, 60], [700, 3, 211], [1600, 1600]):
        inputs = (torch.randn(len(lengths), max(lengths), 6), torch.tensor(lengths))
        torch.testing.assert_close(program.module()(*inputs), small_model(*inputs), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_onnx_graph_equals_model_from_one_frame_on(
    small_model: nn.Module, tmp_path_factory: pytest.TempPathFactory
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    example = (torch.randn(2, 130, 6), torch.tensor([130, 130]))
    dynamic = ({0: Dim.DYNAMIC, 1: Dim.DYNAMIC}, {0: Dim.DYNAMIC})
    program = torch.onnx.export(small_model.eval(), example, dynamic_shapes=dynamic, dynamo=True, verbose=False)
    assert program is not None
    program.save(path, external_data=False)
    session = onnxruntime.InferenceSession(path)
    names = [node.name for node in session.get_inputs()]
    for lengths in ([1], [3, 2], [700, 1, 211], [1600]):
        features = torch.randn(len(lengths), max(lengths), 6)
        feed = dict(zip(names, (features.numpy(), torch.tensor(lengths).numpy()), strict=True))
        expected = small_model(features, torch.tensor(lengths))
        torch.testing.assert_close(torch.tensor(session.run(None, feed)[0]), expected, atol=1e-5, rtol=1e-5)
