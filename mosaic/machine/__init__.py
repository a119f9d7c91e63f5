"""The one door to each outside thing: disk, locks, processes, git."""
