"""What a run is started with: defaults, validation and secrets by the input schema of its build."""
