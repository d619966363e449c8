"""Our server beside others in one run: who takes part, what is measured, and how it is told."""
