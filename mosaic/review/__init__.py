"""What agents claim compared with what happened, and a person's decision."""
