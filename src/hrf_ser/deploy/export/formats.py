"""The formats by name, known without importing any of the packages that make them."""

SUFFIXES = {
    "onnx": ".onnx",
    "onnx-int8": ".int8.onnx",
    "onnx-fp16": ".fp16.onnx",
    "torch-export": ".pt2",
    "executorch": ".pte",
    "litert": ".tflite",
}
INT8_MODES = ("weights", "dynamic", "static")
STFT = ("matrix", "native")
