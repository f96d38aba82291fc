"""What every test needs."""

import signal

# A shell's background jobs ignore Ctrl-C, and Python then lets it be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
