"""What a person reviews: agents' words and what was seen of them, for terminal and browser."""
