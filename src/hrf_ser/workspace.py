"""``python -m hrf_ser.workspace entity=...``: save a W&B workspace or report that compares light with large models."""

from __future__ import annotations

import os

from omegaconf import DictConfig

from hrf_ser.entry import entry_point
from hrf_ser.errors import UserError
from hrf_ser.extras import need


@entry_point("workspace")
def main(config: DictConfig) -> None:
    from hrf_ser.config import validate

    validate(config, "workspace")
    need("wandb_workspaces", "workspace")
    # W&B's library reads them when it is imported.
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    from hrf_ser.training.wandb_workspace import light_against_large

    definition = light_against_large(config.kind, config.entity, config.project, config.corpus)
    if not wandb.login(prompt=False, verify=False):
        raise UserError("W&B has no key: run `wandb login`, or set WANDB_API_KEY.")
    try:
        definition.save()
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0].rstrip('.')}"
        raise UserError(
            f"W&B did not save the {config.kind} ({reason}); check the network, entity= and project=."
        ) from error
    print(f"Saved: {definition.url}")


if __name__ == "__main__":
    main()
