"""The board in the terminal: a face of `app/`, made with textual (extra `[board]`).

It takes keys, calls `app/`, and draws records. It has no rule of its own. Nothing that a file or
an agent says is read as markup, as a link or as a control sequence: every text goes through
`mosaic.board.words`.
"""
