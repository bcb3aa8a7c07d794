"""GPU telemetry: the driver's answers, the collector, and the sample that the hub reads."""
