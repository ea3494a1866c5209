"""Filling the missing wedge of a tilt series: preparation, the two roads, results in memory and in files."""
