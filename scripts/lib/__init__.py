"""What scripts/audit, scripts/bench and scripts/interop share."""
