"""Money brakes: how much a user, an Actor or a task may spend a day, and what stops runs before it is spent."""
