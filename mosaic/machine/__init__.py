"""What the machine offers: disk, locks, processes, panes. Imports only the bottom of the house."""
