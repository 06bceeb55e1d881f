"""Knowledge distillation: a teacher supervises training, and nothing of it is in the deployed model."""
