"""Migrations of our tables: one module for each revision."""
