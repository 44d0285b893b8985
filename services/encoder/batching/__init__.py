"""Inputs of many callers through one model: two lanes, several batches in flight, none longer than agreed."""
