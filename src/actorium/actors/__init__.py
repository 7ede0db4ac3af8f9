"""Actors, their versions with sources and environment variables."""
