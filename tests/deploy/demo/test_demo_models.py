"""The page runs every backbone in every form that an ONNX file has, as Python does."""

import numpy as np
import pytest
from demo_page import Page, serving, site_of

from hrf_ser.deploy.runtime import Emotion
from tiny_bundles import write_bundle

FORMS = [("onnx", "weights"), ("onnx-fp16", "weights"), *(("onnx-int8", mode) for mode in ("weights", "dynamic"))]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["conv_transformer", "conformer", "speechformer"])
def test_page_predicts_as_python_in_every_form(browser, proxy, voice, tmp_path, model):
    from hrf_ser.deploy.export.write import Export, export_bundle

    bundle = write_bundle(tmp_path / "bundle", model, labels=("angry", "happy", "sad"))
    page = Page(browser)
    page.console()
    for form, mode in FORMS:
        path = tmp_path / f"{form}.{mode}.onnx"
        export_bundle(
            Export(bundle, path, form, int8=mode, limits={"logits": 5.0, "changed_predictions": 1.0, "ua": 1.0})
        )
        with serving(site_of(path)) as server:
            page.open(server.address).choose(voice)
            assert page.text("#problem") == ""
            # int8 products round elsewhere in a browser's kernels.
            tolerance = 0.02 if mode == "dynamic" else 1e-3
            expected = list(Emotion(path)(voice).probabilities.values())
            np.testing.assert_allclose(page.probabilities(), expected, atol=tolerance, err_msg=f"{form} {mode}")
        assert page.console() == []
    assert proxy[1] == []
