"""The one door to each outside thing: files, locks, processes, git.

    disk.py      reading, and writing one file so that it is always whole
    together.py  several files written as one, and settled after a crash
    intent.py    the note of what is about to be written
    staging.py   temporary files beside their targets
    access.py    what a file is just now, and how a refusal is told
    paths.py     paths made from ids, and paths held inside a folder
    lock.py      the mission lock, and the lock a living supervisor holds on its run
    identity.py  which process is which
    process.py   starting and signalling
    orphans.py   finding and ending what a process left behind
    git.py       running git, and reading what needs no process
    branches.py  what stands in a folder on every local branch

Nothing is imported here: each command pays only for the door that it opens.
"""
