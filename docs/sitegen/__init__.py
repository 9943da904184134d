"""The pages of the site that a program writes: the catalog of parts, and the reference of the Python interface."""
