"""The executor over a container engine: Docker's API, which Podman speaks too. See docs/decisions/0033."""
