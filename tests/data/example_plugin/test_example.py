"""The contracts of Mosaic, for all that this package adds."""

from mosaic.testing.executors import ExecutorContract
from mosaic.testing.runtimes import HandOffContract, RuntimeContract
from mosaic.testing.sources import Sample, SourceContract


class TestRuntime(RuntimeContract, HandOffContract):
    runtime = "example"
    output = (
        '{"event": "session", "id": "s-1"}\n'
        '{"event": "shell", "command": "make test", "status": 0}\n'
        '{"event": "text", "text": "All is done"}\n'
        '{"event": "end", "input_tokens": 900, "output_tokens": 40}\n'
    )
    answer = "All is done"


class TestSource(SourceContract):
    source = "example"
    sample = Sample(
        place="plan.txt",
        files={"": "set-up done Make the project\nlogin todo Let people sign in\nodd\n"},
        tasks={
            "set-up": ("Make the project", "done", "", ""),
            "login": ("Let people sign in", "todo", "", ""),
        },
        faults=("plan.txt:3: is not",),
    )


class TestExecutor(ExecutorContract):
    executor = "nice"
