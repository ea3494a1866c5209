"""The errors that a user can cause."""


class MendemError(ValueError):
    """One sentence for the user: what is wrong, where, and what to do.

    Everything that bad input can trigger raises this class; the command line prints it as one line
    and exits with status 2, the plugin shows it as a notification.
    """


class Cancelled(Exception):
    """The user asked to stop. What was finished before is kept by whoever catches this."""
