"""The frame of every background loop. Knows no feature."""
