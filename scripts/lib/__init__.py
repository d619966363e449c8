"""Code that scripts/audit, scripts/bench, scripts/interop and others share."""
