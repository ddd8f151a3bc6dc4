"""Processes that tests send signals to."""

import signal


def default_signals() -> None:
    """For `preexec_fn`: the process reacts to SIGINT and SIGTERM, even if the tests ignore them.

    `nohup make test &` ignores SIGINT, and its child processes inherit that.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
