"""What every command prints, kept in files: JSON may only gain keys, text stays as it is.

`python -m tests.golden` writes the files anew; read the difference before you commit it.
"""
