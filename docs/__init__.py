"""The documents, and what writes those of them that are written from the code."""
