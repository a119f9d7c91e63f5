"""A module for the sake of its compiled form, in whose place `templates` keeps compiled templates.

An installer that removes Mosaic removes the compiled form of each of its modules, and no other
file that was written beside them. Nothing imports this one; Python would only compile it anew.
"""
