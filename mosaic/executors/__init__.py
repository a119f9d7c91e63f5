"""Where a supervisor is started: in this terminal, or in the background."""
