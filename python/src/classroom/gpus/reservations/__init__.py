"""GPU reservations for lectures: their devices, and their rows in the database."""
