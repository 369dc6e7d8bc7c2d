"""The providers in front of independent servers: one module for each server's dialect, all in BEDS of main.py."""
