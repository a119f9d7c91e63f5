"""Write `docs/schemas` anew: `python -m tests.schemas`."""

from .written import write_all

write_all()
