import subprocess
import sys

PROGRAM = """
import sys
sys.modules["torchaudio.lib._torchaudio"] = None
import torch
def refuse(path):
    raise OSError("libcudart.so: cannot open shared object file")
torch.ops.load_library = refuse
from hrf_ser.audio.torchaudio_import import torchaudio
module = torchaudio()
assert torchaudio() is module
print(module.transforms.MelSpectrogram(16000)(torch.randn(1, 16000)).shape[1])
"""


def test_the_python_part_works_where_the_extension_does_not_load():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "128", done.stderr
