"""A tidy frame -> the sections of a report, one a module. A section computes; it writes no form."""
