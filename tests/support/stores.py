"""Folders of stored features."""


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}
