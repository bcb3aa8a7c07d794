"""The Docker Engine: its client, a student's container, the class bridge and its firewall rules."""
