"""Mutants: the farm with one mechanism taken out. Tests that stay green with one of them prove nothing about it."""
