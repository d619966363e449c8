//! Keeps the C library's heap small, and returns its free memory to the system. This crate contains the only unsafe code of the repository, so that the server
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

/// Lets all threads share at most so many arenas, which are the heaps of the C library; see `M_ARENA_MAX` in mallopt(3).
///
/// Arenas that exist already stay. It does nothing if the C library is not glibc.
pub fn limit_arenas(most: usize) {
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code, reason = "a C function")]
    // SAFETY: mallopt may be called at any time, from any thread, and this option only concerns later allocations.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, most);
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = most;
}
