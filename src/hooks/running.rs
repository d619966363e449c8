//! How many commands and requests run at once.

use parking_lot::Mutex;
use std::collections::HashMap;

/// The most commands and requests of one hook at once, so that a hook that hangs does not delay the others.
const MOST_OF_ONE: usize = 4;
/// The most commands and requests of all hooks at once. Each takes a thread and some processes.
const MOST_OF_ALL: usize = 16;
/// How many commands and requests of each hook run.
#[derive(Default)]
pub(super) struct RunningHooks(Mutex<HashMap<String, usize>>);

impl RunningHooks {
    /// Returns whether one more of this hook may run.
    pub(super) fn may_run(&self, hook: &str) -> bool {
        let counts = self.0.lock();
        counts.get(hook).copied().unwrap_or(0) < MOST_OF_ONE && counts.values().sum::<usize>() < MOST_OF_ALL
    }

    /// Counts one more of this hook.
    pub(super) fn begin(&self, hook: &str) {
        *self.0.lock().entry(hook.to_owned()).or_default() += 1;
    }

    /// Counts one less of this hook.
    pub(super) fn end(&self, hook: &str) {
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(hook) {
            *count -= 1;
            if *count == 0 {
                counts.remove(hook);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_that_hangs_leaves_room_for_others() {
        let running = RunningHooks::default();
        for _ in 0..MOST_OF_ONE {
            assert!(running.may_run("a"));
            running.begin("a");
        }
        assert!(!running.may_run("a") && running.may_run("b"));
        for n in 0..(MOST_OF_ALL - MOST_OF_ONE) {
            running.begin(&format!("other {n}"));
        }
        assert!(!running.may_run("b"));
        running.end("a");
        assert!(running.may_run("a") && running.may_run("b"));
    }
}
