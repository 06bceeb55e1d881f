from itertools import product

from omegaconf import OmegaConf

from hrf_ser.sweeps.plan import plan

VALUES = {"model": ["light", "light_large"], "hrf": ["False", "True"], "rank": ["2", "4"]}
JOBS = [[f"{key}={value}" for key, value in zip(VALUES, values, strict=True)] for values in product(*VALUES.values())]


def compose(words):
    values = dict(word.split("=") for word in words)
    return OmegaConf.create(
        {
            "model": {"label": values["model"]},
            "data": {"name": "d"},
            "hrf": values["hrf"] == "True",
            "rank": int(values["rank"]),
            "fold": None,
            "seed": 0,
            "reparam": {},
            "trainer": {},
        }
    )


def test_excluded_combinations_and_the_same_run_again_are_left_out():
    planned = plan(JOBS, [{"model": "*_large", "hrf": "true"}], compose)
    assert [one.name.rsplit("_", 3)[0] for one in planned] == [
        "d_light_plain",
        "d_light_hrf2",
        "d_light_hrf4",
        "d_light_large_plain",
    ]
    assert planned[0].overrides == ("model=light", "hrf=False", "rank=2")


def test_a_pattern_with_a_key_that_is_not_swept_excludes_nothing():
    assert len(plan(JOBS, [{"model": "*", "fold": "1"}], compose)) == 6
    assert plan(JOBS, [{"model": "light*"}], compose) == []
