"""A review with something in every part."""

from __future__ import annotations

from mosaic.model import Status, Task
from mosaic.review.claims import CommandClaim, FileClaim, Kind
from mosaic.review.evidence import Evidence
from mosaic.review.matching import (
    ChangedFile,
    Judged,
    JudgedClaim,
    JudgedCriterion,
    RanCommand,
    Standing,
)
from mosaic.review.verdict import GateOnRecord, Review
from mosaic.text import decisions
from mosaic.text.criteria import Criterion


def make_review(text: str) -> Review:
    """Return a review whose every text is this one, but that of the notes, which are missing."""
    ran = RanCommand(command=text, exit_code=1, source="transcript", failed=True)
    file = ChangedFile(path=text, kind=Kind.ADDED)
    standing = Standing.CONTRADICTED
    evidence = Evidence(
        since=text,
        changed=(file,),
        pairs=(),
        ran=(ran,),
        knows_all_commands=True,
        caveats=(text,),
        unknown=(),
        roots={},
        sessions=(),
        usage=None,
    )
    criterion = Criterion(number=2, text=text, checked=True)
    return Review(
        task=Task(id="T-001", title=text, status=Status.REVIEW),
        sections=dict.fromkeys(("result", "risks", "next_handoff"), text),
        missing=("notes",),
        evidence=evidence,
        whole=evidence,
        judged=Judged(
            files=(JudgedClaim(FileClaim(text=text, path=text), standing, text),),
            commands=(JudgedClaim(CommandClaim(text=text, command=text), standing, text),),
            unclaimed_files=(file,),
            unclaimed_commands=(ran,),
        ),
        out_of_scope=(text,),
        gates=(GateOnRecord(name=text, is_green=False, words=text, run_id=text, tail=text),),
        stat=text,
        warnings=(text,),
        decisions=(
            decisions.Decision(
                kind=decisions.Kind.REMARKED, date="2026-11-26", by=text, number=1, text=text
            ),
        ),
        goal=text,
        criteria=(JudgedCriterion(criterion, Standing.UNSEEN, text),),
    )
