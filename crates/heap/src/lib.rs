//! Gives memory back to the system. The only unsafe code of this repository, so that the server can forbid it.

/// Returns the pages of the heap that nobody uses to the system; see malloc_trim(3).
///
/// Other threads that allocate wait meanwhile, for some milliseconds if the heap is large. Does nothing where the C
/// library is not glibc: others give back by themselves.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code, reason = "a C function")]
    // SAFETY: it may be called at any time, from any thread, and touches only memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
}
