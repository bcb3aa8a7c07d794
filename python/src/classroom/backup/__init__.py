"""Backup and restore of a class: accounts, secrets, settings and homes, while students work.

restic stores backups (deduplicated, encrypted, incremental), or GNU tar and zstd write one file. Both contain the
directory `classroom-backup`, with the manifest and copies of database, secrets and settings, and each home at its path.
"""
