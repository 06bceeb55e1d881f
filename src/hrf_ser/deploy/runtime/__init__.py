"""Emotion in speech without torch: numpy, onnxruntime and soundfile are all it needs.

>>> from hrf_ser.deploy.runtime import Emotion  # doctest: +SKIP
>>> Emotion("bundle/")("speech.wav").label  # doctest: +SKIP
'happy'
"""

from hrf_ser.deploy.runtime.answer import Answer, Posterior
from hrf_ser.deploy.runtime.emotion import Emotion
from hrf_ser.deploy.runtime.listener import Listener
from hrf_ser.deploy.runtime.stream import Stream
from hrf_ser.errors import UserError

__all__ = ["Emotion", "Answer", "Posterior", "Stream", "Listener", "UserError"]
