"""What the product does, without a terminal: queries and actions, for every face.

A query takes a mission and returns a frozen record. An action takes typed arguments, and an
`actor` where people and agents may not do the same, and returns a frozen record too.
"""
