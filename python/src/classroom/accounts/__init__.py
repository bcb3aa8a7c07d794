"""Accounts: sign-up, approval, login, passwords and homes."""
