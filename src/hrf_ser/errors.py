"""The one exception that is shown to the user without a traceback."""


class UserError(Exception):
    """A mistake the user can mend: one sentence naming the file or key and the remedy."""
