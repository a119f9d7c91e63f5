"""How fast `mission` answers: whole processes, in turn with what they are compared with.

python -m tests.benchmarks [--tasks 100,1000,10000] [--rounds 15] [--json OUT]
                           [--against EARLIER.json] [--only WORD] [--peers]

missions.py   missions of any size, the same for the same seed
processes.py  one process measured from outside; several of them in turn
work.py       every row: what is timed, against what, and the ratio to reach
naive.py      the baseline of a first call: what one would write in an hour
peers.py      other programs at the same work, where they are installed
report.py     the table, the JSON, and the comparison with an earlier one
output.py     a program of its own: how much a recorded run slows down what it records
fleet.py      another: what work on other machines costs, and how that grows; with
fields.py     the missions, agents and machines of that,
trees.py      processes below one as seen from outside, and
fleet_tables.py  its tables
web.py        another: how soon a change is on every screen of the board in the browser
"""
