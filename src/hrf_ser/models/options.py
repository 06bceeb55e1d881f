"""The options of every model, without torch: a configuration is checked before torch is imported."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Size = Annotated[int, Field(ge=1, le=2**31 - 1)]
Share = Annotated[float, Field(ge=0, le=1)]


class ModelOptions(BaseModel):
    """Base class: a subclass with a ``name`` has the options of the model of that name.

    A validator that compares options raises a ``ValueError`` whose message begins with the option to change.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    known: ClassVar[dict[str, type[ModelOptions]]] = {}
    name: ClassVar[str] = ""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if cls.name:
            ModelOptions.known[cls.name] = cls

    ensemble_size: Size = Field(1, description="Models of this size whose probabilities are averaged.")


class PretrainedOptions(ModelOptions):
    """Options of ``pretrained``: a frozen encoder, and a classifier on its layers."""

    name = "pretrained"

    name_or_path: str = Field("", description="Folder of the encoder as Hugging Face has it, or its name on the hub.")
    states: Size = Field(7, description="Hidden states of the encoder: its layers, and the input of the first.")
    layer: Size | None = Field(
        None, description="A single layer of Whisper, from 1, with states=1; null: the weighted sum of all states."
    )
    width: Size = Field(256, description="Channels of the projection, which hrf=true factorises.")
    dropout: Share = Field(0.1, description="Of the projected vector.")


class TransformerOptions(ModelOptions):
    """What all Transformers here have in common."""

    width: Size = Field(64, description="Channels of a token, even.")
    heads: Size = Field(4, description="Attention heads; they divide the width.")
    dropout: Share = Field(0.1, description="Of residual branches, feed-forward blocks and the pooled vector.")
    attention_dropout: Share = Field(0.0, description="Of attention probabilities; above 0 is slow on a CPU.")
    pooling: Literal["mean", "attentive", "statistics"] = Field("mean", description="From tokens to one vector.")

    @model_validator(mode="after")
    def _check_width(self) -> TransformerOptions:
        if self.width % self.heads:
            raise ValueError(f"width={self.width} must be a multiple of heads={self.heads}.")
        if self.width % 2:
            raise ValueError(f"width={self.width} must be even: sinusoidal positions are half sines, half cosines.")
        return self


class ConvTransformerOptions(TransformerOptions):
    """Options of ``conv_transformer``."""

    name = "conv_transformer"

    layers: Size = Field(4, description="Transformer layers.")
    ffn: Size = Field(128, description="Hidden channels of a feed-forward block.")
    token_ms: float = Field(40.0, gt=0, description="Milliseconds between tokens, to the nearest of 4, 2 or 1 frames.")


class ConformerOptions(TransformerOptions):
    """Options of ``conformer``."""

    name = "conformer"

    layers: Size = Field(3, description="Conformer blocks.")
    ffn: Size = Field(128, description="Hidden channels of a feed-forward block, of which a Conformer block has two.")
    kernel: Size = Field(15, description="Tokens that the depthwise convolution spans, odd.")
    positions: Literal["relative", "sinusoidal", "none"] = Field("relative", description="Encoding of positions.")
    max_distance: int = Field(64, ge=0, description="Offset in tokens from which on relative positions are alike.")
    token_ms: float = Field(40.0, gt=0, description="Milliseconds between tokens, to the nearest of 4, 2 or 1 frames.")

    @model_validator(mode="after")
    def _check_kernel(self) -> ConformerOptions:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel={self.kernel} must be odd, so that it is centred on a token.")
        return self


class SpeechFormerOptions(TransformerOptions):
    """Options of ``speechformer``."""

    name = "speechformer"

    layers: list[Annotated[int, Field(ge=0)]] = Field(
        [2, 2, 4, 4], min_length=4, max_length=4, description="Layers of the frame, phoneme, word and utterance stages."
    )
    expand: list[Size] = Field(
        [1, 1, 1], min_length=3, max_length=3, description="Widening of the three merges; [1, 1, 2] is the paper's B."
    )
    head_dropout: Share = Field(0.5, description="Between the linear layers of the classifier.")
    deepnorm: bool = Field(False, description="Residual weights and initialisation of DeepNet; false is the paper.")

    @model_validator(mode="after")
    def _check_layers(self) -> SpeechFormerOptions:
        if not any(self.layers):
            raise ValueError(f"layers={self.layers} has no layer: give one or more stages at least one.")
        return self
