"""Types that the schemas share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# No machine counts further, and no single-precision sum survives more.
MOST_WHOLE, MOST = 2**31 - 1, 1e12

Count = Annotated[int, Field(ge=1, le=MOST_WHOLE)]
Whole = Annotated[int, Field(ge=0, le=MOST_WHOLE)]
Amount = Annotated[float, Field(ge=0, le=MOST)]
Share = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[float, Field(ge=1, le=1000)]
Range = Annotated[list[Annotated[float, Field(ge=-100, le=100)]], Field(min_length=2, max_length=2)]
Name = str | int | float


class Group(BaseModel):
    """A group of settings: types are not converted, and unknown keys are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)
