"""What agents claim beside what happened, and a person's decision."""
