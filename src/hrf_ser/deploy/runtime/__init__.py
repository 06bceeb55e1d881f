"""Speech emotion recognition without torch, on numpy, onnxruntime, soundfile and soxr: ``Emotion("bundle/")("speech.wav")``."""

from hrf_ser.deploy.runtime.emotion import Emotion
from hrf_ser.deploy.runtime.prediction import Posterior, Prediction
from hrf_ser.deploy.runtime.predictor import Predictor
from hrf_ser.deploy.runtime.stream import Stream
from hrf_ser.errors import UserError

__all__ = ["Emotion", "Prediction", "Posterior", "Stream", "Predictor", "UserError"]
