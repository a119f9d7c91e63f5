"""What an agent is told: the continuation prompt and the capsule. Values in, text out."""
