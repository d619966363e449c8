//! Detects CPU features that decide which cipher is the fastest.

/// Returns whether the CPU has instructions for AES. Without them, chacha20-poly1305 is faster than AES-GCM; with them,
/// it costs twice as much.
pub fn has_aes_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}
