"""From a Job to a finished run: plan, units of work, the Ray runtime, index and report."""
