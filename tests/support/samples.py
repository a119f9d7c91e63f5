"""A sample of every source of tasks, and the plan that it makes by hand."""

from __future__ import annotations

import json

from mosaic.testing.sources import Sample

SPEC_KIT = """\
---
feature: login
---
# Tasks: Sign in

<!-- - [ ] T900 in a comment -->
- [ ] TXXX of the template
```
- [ ] T901 in a fence
```

## Phase 1: Setup (Shared)

**Purpose**: A place to work

- [X] T001 Make the project
- [ ] T002 [P] Linter settings
- [ ] T003 First page

## Phase 2: User Story 1 - Sign in (Priority: P1) 🎯

**Goal**: People get in

- [ ] T010 [P] [US1] Contract test in tests/test_login.py
- [ ] T011 [US1] Route in src/login.py (depends on T010, T002)
  - keep it small
"""
TASK_MASTER = {
    "master": {
        "tasks": [
            {"id": 1, "title": "Set up", "status": "done", "priority": "high", "dependencies": [],
             "description": "All of it", "details": "Here\n\n## Notes\nand there",
             "testStrategy": "Look", "complexity": 4},
            {"id": 2, "title": "Build: it", "status": "in-progress", "dependencies": ["1", 9],
             "subtasks": [
                 {"id": 1, "title": "Wheels", "status": "deferred", "dependencies": []},
                 {"id": 2, "title": "Doors", "status": "pending", "dependencies": [1]},
             ]},
            "nonsense",
        ],
        "metadata": {"created": "2026-01-02T03:04:05.678Z"},
    },
    "next": {"tasks": [{"id": 1, "title": "Later", "status": "odd", "dependencies": []}]},
}  # fmt: skip
CHECKLIST = """\
# All

- [ ] Plan #api ⏫ 📅 2026-12-01
  - [x] Draw ✅ 2026-11-01
  - [/] Talk ⛔ k1
    about all of it

```
- [ ] in a fence
```

## Build

1. [-] Old way
* [ ] New way 🆔 k1 [effort:: 3]
+ [?] Some day
"""
BACKLOG = {
    "tasks/task-2 - Second.md": """\
---
id: TASK-2
title: Second
status: To Do
assignee:
  - '@me'
created_date: '2026-01-02 03:04'
labels: [ui]
milestone: m-1
dependencies: [task-1, TASK-9]
priority: high
ordinal: 1000
---

## Description

<!-- SECTION:DESCRIPTION:BEGIN -->
What it is
<!-- SECTION:DESCRIPTION:END -->

## Acceptance Criteria
<!-- AC:BEGIN -->
- [x] #1 It holds
- [ ] #2 It stands
<!-- AC:END -->

## Implementation Notes

<!-- SECTION:NOTES:BEGIN -->
Saw it
<!-- SECTION:NOTES:END -->
""",
    "tasks/task-10 - Third.md": """\
---
id: task-10
title: "Third: last"
status: In Progress
assignee: []
labels: one
dependencies: []
parent_task_id: task-2
---

## Description

Old form

## Acceptance Criteria

- [ ] #1 Good
""",
    "tasks/bad.md": "---\nid: task-3\nassignee: [@me]\n---\n",
    "completed/task-1 - First.md": "---\nid: task-1\ntitle: First\nstatus: Done\n---\nText\n",
    "archive/tasks/task-4 - Gone.md": "---\nid: task-4\ntitle: Gone\nstatus: To Do\n---\n",
    "drafts/draft-5 - Idea.md": "---\nid: draft-5\ntitle: Idea\nstatus: Draft\n---\n",
    "milestones/m-1 - one.md": "---\nid: m-1\ntitle: Release one\n---\n",
    "docs/doc-1.md": "---\nid: doc-1\ntitle: A page\n---\n",
}
GITHUB = [
    {
        "number": 12, "title": "Second", "body": "## Notes\r\n\r\nsaid", "state": "OPEN",
        "stateReason": "", "labels": [{"name": "priority: high"}, {"name": "doing"}],
        "assignees": [{"login": "ann"}, {"login": "bob"}],
        "milestone": {"number": 1, "title": "v1.0"}, "createdAt": "2026-01-02T03:04:05Z",
        "closedAt": None, "url": "https://github.com/acme/rocket/issues/12",
        "blockedBy": [7, 99],
    },
    {
        "number": 7, "title": "First", "body": "", "state": "CLOSED", "stateReason": "COMPLETED",
        "labels": [], "assignees": [], "milestone": None, "createdAt": "2026-01-01T00:00:00Z",
        "closedAt": "2026-01-02T00:00:00Z", "url": "https://github.com/acme/rocket/issues/7",
    },
    {
        "number": 13, "title": "No", "body": "", "state": "CLOSED", "stateReason": "NOT_PLANNED",
        "labels": [], "assignees": [], "milestone": None,
        "url": "https://github.com/acme/rocket/issues/13",
    },
]  # fmt: skip
BEADS = [
    {"id": "bd-a1", "title": "Old title", "status": "open", "updated_at": "2026-01-01T00:00:00Z"},
    {"id": "bd-b2", "title": "Epic", "status": "open", "issue_type": "epic", "priority": 1,
     "updated_at": "2026-01-01T00:00:00Z",
     "dependencies": [{"issue_id": "bd-b2", "depends_on_id": "bd-c3", "type": "blocks"}]},
    {"id": "bd-a1", "title": "Part", "status": "in_progress", "updated_at": "2026-01-02T00:00:00Z",
     "description": "Do", "acceptance_criteria": "- [ ] good", "labels": ["x"], "assignee": "ann",
     "notes": "so far", "dependencies": [
         {"issue_id": "bd-a1", "depends_on_id": "bd-b2", "type": "parent-child"},
         {"issue_id": "bd-a1", "depends_on_id": "bd-d4", "type": "related"}]},
    {"id": "bd-c3", "title": "Waits", "status": "deferred"},
    {"id": "bd-d4", "title": "Won't", "status": "closed", "close_reason": "wontfix"},
    {"id": "bd-e5", "title": "Deleted", "status": "tombstone", "deleted_at": "2026-01-02"},
]  # fmt: skip
TASKWARRIOR = [
    {"uuid": "aaaaaaaa-1111-4111-8111-111111111111", "description": "One", "status": "pending",
     "project": "Home.Roof", "priority": "H", "tags": ["out"], "id": 1, "urgency": 3.2,
     "entry": "20260102T030405Z", "depends": ["bbbbbbbb-2222-4222-8222-222222222222"]},
    {"uuid": "bbbbbbbb-2222-4222-8222-222222222222", "description": "Two", "status": "waiting",
     "wait": "20270102T030405Z", "annotations": [{"entry": "x", "description": "seen"}]},
    {"uuid": "cccccccc-3333-4333-8333-333333333333", "description": "Three", "status": "pending",
     "start": "20260103T030405Z", "depends": "aaaaaaaa-1111-4111-8111-111111111111"},
    {"uuid": "dddddddd-4444-4444-8444-444444444444", "description": "Four", "status": "deleted"},
    {"uuid": "eeeeeeee-5555-4555-8555-555555555555", "description": "Five", "status": "completed"},
]  # fmt: skip

SAMPLES: dict[str, Sample] = {
    "spec-kit": Sample(
        place="specs",
        files={"001-login/tasks.md": SPEC_KIT, "002-pay/tasks.md": "- [ ] T001 Pay\n"},
        tasks={
            "001-T001": ("Make the project", "done", "M1", ""),
            "001-T002": ("Linter settings", "todo", "M1", ""),
            "001-T003": ("First page", "todo", "M1", "001-T002"),
            "001-T010": ("Contract test in tests/test_login.py", "todo", "M2", "001-T001 001-T003"),
            "001-T011": (
                "Route in src/login.py (depends on T010, T002)", "todo", "M2", "001-T010 001-T002"
            ),
            "002-T001": ("Pay", "todo", "002-pay", ""),
        },
        fields={"001-T010": {"labels": ["US1"], "source": "spec-kit:001-login#T010"}},
        texts={
            "001-T001": ("**Purpose**: A place to work",),
            "001-T011": ("- keep it small\n**Goal**: People get in",),
        },
        milestones=(
            "001-login Phase 1: Setup (Shared)",
            "001-login Phase 2: User Story 1 - Sign in (Priority: P1) 🎯",
            "002-pay",
        ),
    ),
    "task-master": Sample(
        place=".taskmaster/tasks/tasks.json",
        files={"": json.dumps(TASK_MASTER)},
        tasks={
            "1": ("Set up", "done", "master", ""),
            "2": ("Build: it", "in-progress", "master", "1 missing-9 2.1 2.2"),
            "2.1": ("Wheels", "blocked", "master", "1 missing-9"),
            "2.2": ("Doors", "todo", "master", "2.1 1 missing-9"),
            "next-1": ("Later", "unknown", "next", ""),
        },
        fields={
            "1": {"priority": "high", "source": "task-master:master#1"},
            "2.1": {"labels": ["parent:2"]},
        },
        texts={
            "1": (
                "All of it\n\n## Details\n\nHere\n\n### Notes\nand there\n",
                "## Test strategy\n\nLook\n\n## imported_fields\n\n- complexity: 4\n",
            ),
            "2.1": ('- status: "deferred"',),
        },
        milestones=("master", "next"),
        faults=(
            ".taskmaster/tasks/tasks.json:1: entry 3 of master# is not a task",
            ".taskmaster/tasks/tasks.json: task 2: `master#2` depends on `master#9`",
        ),
    ),
    "checklist": Sample(
        place="TODO.md",
        files={"": CHECKLIST},
        tasks={
            "T-004": ("Plan", "todo", "", "T-005 T-006"),
            "T-005": ("Draw", "done", "", ""),
            "T-006": ("Talk", "in-progress", "", "k1"),
            "T-007": ("Old way", "cancelled", "Build", ""),
            "k1": ("New way", "todo", "Build", ""),
            "T-008": ("Some day", "unknown", "Build", ""),
        },
        fields={"T-004": {"labels": ["api"], "priority": "high"}},
        texts={
            "T-004": ('- due: "2026-12-01"',),
            "T-006": ("about all of it",),
            "k1": ('- effort: "3"',),
        },
        milestones=("Build",),
    ),
    "backlog": Sample(
        place="backlog",
        files=BACKLOG,
        tasks={
            "TASK-2": ("Second", "todo", "M1", "task-1 missing-task-9 task-10"),
            "draft-5": ("Idea", "blocked", "", ""),
            "task-1": ("First", "done", "", ""),
            "task-4": ("Gone", "cancelled", "", ""),
            "task-10": ("Third: last", "in-progress", "", "task-1 missing-task-9"),
        },
        fields={
            "TASK-2": {"assignee": "@me", "priority": "high", "labels": ["ui"]},
            "task-10": {"labels": ["one", "parent:TASK-2"]},
        },
        texts={
            "TASK-2": (
                "What it is\n\n## Acceptance criteria\n\n- [x] It holds\n- [ ] It stands\n",
                '- created_date: "2026-01-02 03:04"',
                "## notes\n\nSaw it",
            ),
            "task-10": ("Old form\n\n## Acceptance criteria\n\n- [ ] Good\n",),
        },
        milestones=("Release one",),
        faults=("backlog/tasks/bad.md:3: ", "backlog/tasks/task-2 - Second.md:2: `task-2` depends"),
    ),
    "github": Sample(
        place="issues.json",
        files={"": json.dumps(GITHUB)},
        tasks={
            "7": ("First", "done", "", ""),
            "12": ("Second", "todo", "v1.0", "7 missing-99"),
            "13": ("No", "cancelled", "", ""),
        },
        fields={
            "12": {
                "priority": "high",
                "labels": ["priority: high", "doing"],
                "assignee": "ann, bob",
                "source": "github:acme/rocket#12",
            }
        },
        texts={"12": ("### Notes\n\nsaid\n", '- url: "https://github.com/acme/rocket/issues/12"')},
        milestones=("v1.0",),
        faults=("issues.json: issue 12: `acme/rocket#12` depends on `acme/rocket#99`",),
    ),
    "beads": Sample(
        place=".beads/issues.jsonl",
        files={"": "".join(f"{json.dumps(each)}\n" for each in BEADS) + "{broken\n"},
        tasks={
            "bd-a1": ("Part", "in-progress", "", "bd-c3"),
            "bd-b2": ("Epic", "todo", "", "bd-c3 bd-a1"),
            "bd-c3": ("Waits", "blocked", "", ""),
            "bd-d4": ("Won't", "cancelled", "", ""),
        },
        fields={
            "bd-a1": {"labels": ["x", "parent:bd-b2"], "assignee": "ann"},
            "bd-b2": {"priority": "1"},
        },
        texts={
            "bd-a1": ("Do\n\n## Acceptance criteria\n\n- [ ] good\n", "## notes\n\nso far"),
            "bd-b2": ('- issue_type: "epic"',),
        },
        faults=(".beads/issues.jsonl:7: is not JSON",),
    ),
    "claude-tasks": Sample(
        place="lists/work",
        files={
            "2.json": json.dumps(
                {"id": "2", "subject": "Second", "description": "D", "status": "pending",
                 "blocks": [], "blockedBy": ["1"], "activeForm": "Doing it"}
            ),
            "1.json": json.dumps(
                {"id": "1", "subject": "First", "description": "", "status": "in_progress",
                 "blocks": ["2"], "blockedBy": []}
            ),
            "3.json": "{",
        },
        tasks={
            "1": ("First", "in-progress", "", ""),
            "2": ("Second", "todo", "", "1"),
        },
        texts={"2": ('D\n\n## imported_fields\n\n- activeForm: "Doing it"',)},
        faults=("lists/work/3.json:1: ",),
    ),
    "taskmd": Sample(
        place="tasks",
        files={
            "001-first.md": "---\nid: '001'\ntitle: First\nstatus: completed\n---\n\n"
            "# First\n\nHi\n",
            "cli/002-second.md": "---\nid: '002'\ntitle: Second\nstatus: in-review\n"
            "priority: high\ndependencies: ['001']\ntags: [a]\nowner: ann\n"
            "touches: [src/cli/**]\nphase: One\neffort: small\n"
            "verify:\n  - type: bash\n    run: make\n---\n\nText\n",
            "notes.md": "Nothing of it\n",
        },
        tasks={
            "001": ("First", "done", "", ""),
            "002": ("Second", "review", "One", "001"),
        },
        fields={
            "002": {
                "labels": ["a", "group:cli"],
                "assignee": "ann",
                "write_scope": ["src/cli/**"],
                "priority": "high",
            }
        },
        texts={
            "001": ("# 001 First\n\nHi\n",),
            "002": ('- effort: "small"\n- verify: [{"type": "bash", "run": "make"}]',),
        },
        milestones=("One",),
    ),
    "taskwarrior": Sample(
        place="export.json",
        files={"": json.dumps(TASKWARRIOR)},
        tasks={
            "aaaaaaaa": ("One", "todo", "Home.Roof", "bbbbbbbb"),
            "bbbbbbbb": ("Two", "blocked", "", ""),
            "cccccccc": ("Three", "in-progress", "", "aaaaaaaa"),
            "eeeeeeee": ("Five", "done", "", ""),
        },
        fields={"aaaaaaaa": {"labels": ["out"], "priority": "high"}},
        texts={
            "aaaaaaaa": ('- entry: "20260102T030405Z"',),
            "bbbbbbbb": ('- annotations: [{"entry": "x", "description": "seen"}]',),
        },
        milestones=("Home.Roof",),
    ),
}  # fmt: skip
