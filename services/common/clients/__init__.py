"""Typed async clients of the cluster's services; domain types in, domain types and domain errors out."""
