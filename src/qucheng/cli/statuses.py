"""The exit statuses of commands."""

DONE, STOPPED, WRONG_USAGE, ROWS_REJECTED = 0, 1, 2, 3
