"""Other machines: which there are, how they are called, and what goes to and fro."""
