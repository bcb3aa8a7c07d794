"""Backup and restore of a class: accounts, secrets, settings and homes, while students work.

restic stores (deduplicated, encrypted, incremental), or GNU tar and zstd write one file; both hold the same: the folder
`classroom-backup` with the manifest, a copy of the database, secrets and settings, and each home at its own path.
"""
