//! SSH: the accept loop, limits, russh's callbacks, host keys.

pub mod hostkeys;
pub mod settings;
