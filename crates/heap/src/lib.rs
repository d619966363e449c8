//! Returns free memory to the system. This crate contains the only unsafe code of the repository, so that the server
//! can forbid it.

/// Returns unused pages of the heap to the system; see malloc_trim(3).
///
/// Other threads that allocate wait meanwhile, for some milliseconds if the heap is large. It does nothing if the C
/// library is not glibc, since other allocators return memory by themselves.
pub fn release_free_memory() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code, reason = "a C function")]
    // SAFETY: malloc_trim may be called at any time, from any thread, and only changes memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
}
