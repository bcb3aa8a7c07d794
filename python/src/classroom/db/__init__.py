"""The hub's database: our tables, their migrations, and the SQLite file."""
