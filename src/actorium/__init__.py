"""Actorium runs Actors on your own machine or cluster and speaks the Apify API v2."""

__version__ = "0.1.0"
