"""What tests share: missions, agents, git, programs, and a check of each of them."""
