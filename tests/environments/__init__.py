"""The real command on machines that lack something, hold something back or are set oddly."""
