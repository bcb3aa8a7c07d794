"""Accounts: sign-up, approval, login, passwords, and whose home is whose."""
