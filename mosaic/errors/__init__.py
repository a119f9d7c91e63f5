"""Every condition that Mosaic reports to a user, and the exit code of each.

One class per condition that a caller would treat differently. A class takes the
facts and builds the text; `code` is stable and what programs tell conditions
apart by. Printing and exiting happen in `mosaic.cli` alone.

    MissionError
    ├── UsageError                 2    USAGE
    │   ├── MissionNotFoundError        MISSION_NOT_FOUND
    │   ├── MissionOwnerError           MISSION_OWNER
    │   ├── MissionExistsError          MISSION_EXISTS
    │   ├── TaskNotFoundError           TASK_NOT_FOUND
    │   ├── SessionNotFoundError        SESSION_NOT_FOUND
    │   ├── PanelNotFoundError          PANEL_NOT_FOUND
    │   ├── RunNotFoundError            RUN_NOT_FOUND
    │   ├── CheckpointNotFoundError     CHECKPOINT_NOT_FOUND
    │   └── RuntimeUnknownError         RUNTIME_UNKNOWN
    ├── NotReadyError              3    NOT_READY
    │   ├── TaskNotReadyError           TASK_NOT_READY
    │   └── NothingReadyError           NOTHING_READY
    ├── HeldError                  4    HELD
    │   ├── SessionLiveError            SESSION_LIVE
    │   ├── RestoreUnfinishedError      RESTORE_UNFINISHED
    │   ├── SessionOverError            SESSION_OVER
    │   └── LockTimeoutError            LOCK_TIMEOUT
    ├── ConsentNeededError         4    CONSENT_NEEDED
    ├── BrokenFileError            5    FILE_INVALID
    │   ├── FrontMatterError            TASK_FRONTMATTER_INVALID
    │   ├── TableError                  TABLE_INVALID
    │   ├── StatusUnknownError          STATUS_UNKNOWN
    │   ├── TaskIdError                 TASK_ID_INVALID
    │   ├── MissionFileError            MISSION_FILE_INVALID
    │   ├── LockFileError               LOCK_UNREADABLE
    │   ├── RecordError                 RUN_RECORD_INVALID
    │   ├── TemplateError               TEMPLATE_INVALID
    │   ├── EditRefusedError            EDIT_REFUSED
    │   ├── FileAccessError             FILE_ACCESS
    │   ├── FileChangedError            FILE_CHANGED
    │   ├── MergeConflictError          MERGE_CONFLICT
    │   ├── GitRefusedError             GIT_REFUSED
    │   ├── PathOutsideError            PATH_OUTSIDE
    │   ├── StateNotOursError           STATE_NOT_OURS
    │   ├── DuplicateTaskError          TASK_DUPLICATE
    │   └── SyncConflictError           SYNC_CONFLICT
    └── FailedError                1    FAILED
        ├── ProgramNotFoundError        PROGRAM_NOT_FOUND
        ├── GitError                    GIT_FAILED
        └── DirtyTreeError              TREE_DIRTY
"""

from mosaic.errors.base import *  # noqa: F403 - the classes, which are named above
from mosaic.errors.files import *  # noqa: F403
from mosaic.errors.refusals import *  # noqa: F403
