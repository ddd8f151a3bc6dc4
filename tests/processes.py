"""Processes that tests send signals to."""

import signal


def default_signals() -> None:
    """For `preexec_fn`: the process takes SIGINT and SIGTERM whatever the tests were started with.

    `nohup make test &` ignores SIGINT, and what it starts inherits that.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
