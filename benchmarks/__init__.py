"""Side-by-side measurements: ours and a peer or limit in one run, printed as ratios. ``make bench`` runs all."""
