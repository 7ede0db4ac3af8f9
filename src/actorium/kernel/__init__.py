"""What everything else stands on: ids, instants, the clock, errors, limits. Knows no feature and does no I/O."""
