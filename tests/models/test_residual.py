import torch

from hrf_ser.models.residual import scaled_sum


def test_both_forms_of_the_sum_are_one_function() -> None:
    class Sum(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return scaled_sum(x, y, 0.5) * scaled_sum(x, y, 1.0)

    x, y = torch.randn(2, 5, 4, requires_grad=True), torch.randn(2, 5, 4)
    program = torch.export.export(Sum(), (x, y))
    # What is exported has no sum that scales.
    assert not [node for node in program.graph.nodes if "alpha" in node.kwargs]
    expected = (x + 0.5 * y) * (x + y)
    torch.testing.assert_close(Sum()(x, y), expected)
    torch.testing.assert_close(program.module()(x, y), expected)
