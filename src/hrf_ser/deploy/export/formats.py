"""The formats by name."""

SUFFIXES = {
    "onnx": ".onnx",
    "onnx-int8": ".int8.onnx",
    "onnx-fp16": ".fp16.onnx",
    "torch-export": ".pt2",
    "executorch": ".pte",
    "litert": ".tflite",
}
FIXED_LENGTH = {"executorch", "litert"}
INT8_MODES = ("weights", "dynamic", "static")
STFT = ("matrix", "native")
