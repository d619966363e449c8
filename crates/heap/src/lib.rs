//! Keeps the memory of a process small: the C library's heap, and the pages of the program's code. This crate contains
//! the only unsafe code of the repository, so that the server can forbid it.

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

/// Gives back the pages of the program's code, of which many are only used at its start. The system reads those that
/// are needed again from its cache, in pieces of 64 KiB.
///
/// It does nothing if the C library is not glibc.
pub fn release_unused_code() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code, reason = "a C function")]
    {
        unsafe extern "C" {
            /// The first byte of the program in memory, and the first one behind its code; see end(3) and ld(1).
            static __executable_start: u8;
            static etext: u8;
        }
        // SAFETY: Only the addresses of the two are taken. What lies between them is mapped from the program's file,
        // for reading and executing alone, and has never been written, so a page that is dropped is read again as it
        // was.
        unsafe {
            let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).unwrap_or(4096);
            let start = (&raw const __executable_start).addr();
            let length = ((&raw const etext).addr() - start) / page * page;
            libc::madvise(
                (&raw const __executable_start).cast_mut().cast(),
                length,
                libc::MADV_DONTNEED,
            );
        }
    }
}

/// Lets all threads share at most so many arenas, which are the heaps of the C library; see `M_ARENA_MAX` in
/// mallopt(3).
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

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    /// Returns how many pages of files are in the memory of this process; see proc_pid_statm(5).
    fn file_pages() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split_whitespace().nth(2).unwrap().parse().unwrap()
    }

    #[test]
    fn code_that_is_not_used_leaves_the_memory_and_comes_back() {
        let before = file_pages();
        super::release_unused_code();
        assert!(file_pages() < before, "{} pages after {before}", file_pages());
    }
}
