"""Families of scenes, one a file: the file's name is the family's name, see suite/data/scene.py."""
