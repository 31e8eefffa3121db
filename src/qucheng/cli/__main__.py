"""`python -m qucheng.cli` is the command `qucheng`, wherever its script was put."""

from qucheng import cli

cli.main()
