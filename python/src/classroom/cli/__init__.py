"""The `classroom` command: one file a command; `classroom.cli.main` puts them together."""
