"""What an agent is told, and what it hands on: prompt, capsule, handoff.

Values in, text out. Import from the modules:

    bounded.py   text cut to a length, one line, harmless characters
    quoting.py   text that others wrote, put in as data
    report.py    what a finished task hands over
    context.py   every value that a prompt template may use
    sandbox.py   templates rendered within bounds
    prompt.py    the continuation and resume prompts, and new files
    capsule.py   next-task.json
"""
