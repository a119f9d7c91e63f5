"""Every command, by the job it does. Each is in the module of its name."""

PANELS = {
    "Plan": (
        "init", "add", "list", "show", "set", "done", "block", "cancel", "reopen", "graph", "sync",
        "check",
    ),
    "Hand off": ("next", "resume", "sessions", "stop", "logs", "exec", "checkpoint"),
    "Review": ("handoff", "gates", "review", "status"),
    "Parallel": ("panel", "merge"),
    "Around it": ("demo", "doctor", "clean", "trust", "migrate"),
}  # fmt: skip
