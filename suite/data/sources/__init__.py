"""Where images come from, one kind a file: the file's name is the kind's name, see suite/data/source.py."""
