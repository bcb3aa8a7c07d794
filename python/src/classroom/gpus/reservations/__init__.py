"""GPU reservations: which devices a lecture keeps, and the rows in the database."""
