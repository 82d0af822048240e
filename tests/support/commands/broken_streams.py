"""Streams that take nothing."""

import io


class Full(io.StringIO):
    """A stream on a full disk, or without a reader."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, _):
        raise self.error
