"""Hand-offs: claim a task, launch its agent, carry the run to its end, recover from crashes."""
