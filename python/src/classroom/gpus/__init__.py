"""GPUs: inventory, leases, allocation, queue, reservations and preemption."""
