"""Numbers that JSON does not have."""

import json

from hrf_ser.json_values import finite


def test_what_json_has_no_number_for_is_null_and_nothing_else():
    value = {"a": (1.5, float("nan")), "b": [{"c": float("-inf")}], "d": [True, None, 3, "nan"]}
    assert finite(value) == {"a": [1.5, None], "b": [{"c": None}], "d": [True, None, 3, "nan"]}
    json.dumps(finite(value), allow_nan=False)
