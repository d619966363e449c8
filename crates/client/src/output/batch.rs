//! Results that are written together: a write for each of many names would cost more than the names.

use serde::Serialize;

use super::{Stdout, json_line, print_bytes};
use base::error::Result;

/// Results that are not written yet.
pub struct OutputBatch {
    /// What standard output is, which is looked at once.
    pub stdout: Stdout,
    bytes: Vec<u8>,
}

impl OutputBatch {
    /// An empty batch for the standard output of this process.
    pub fn of_this_process() -> Self {
        Self {
            stdout: Stdout::of_this_process(),
            bytes: Vec::new(),
        }
    }

    /// Adds bytes as they are.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds a name as it is shown.
    pub fn add_name(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(&self.stdout.name(name));
    }

    /// Adds a JSON object, in a line.
    pub fn add_json(&mut self, object: &impl Serialize) {
        self.bytes
            .extend_from_slice(format!("{}\n", json_line(object)).as_bytes());
    }

    /// Writes what was added since the last time.
    ///
    /// # Errors
    /// Those of [`print_bytes`].
    pub fn write(&mut self) -> Result<()> {
        match self.bytes.is_empty() {
            true => Ok(()),
            false => print_bytes(&std::mem::take(&mut self.bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_raw_or_escaped_as_standard_output_asks() {
        let terminal = Stdout::Terminal {
            columns: 80,
            colour: false,
        };
        for (stdout, expected) in [(Stdout::Raw, &b"1\ta\x1b\n"[..]), (terminal, b"1\ta\\u{1b}\n")] {
            let bytes = Vec::new();
            let mut batch = OutputBatch { stdout, bytes };
            batch.add(b"1\t");
            batch.add_name(b"a\x1b");
            batch.add(b"\n");
            assert_eq!(batch.bytes, expected, "{stdout:?}");
        }
    }

    #[test]
    fn objects_have_their_version_and_a_line_each() {
        let mut batch = OutputBatch::of_this_process();
        batch.add_json(&serde_json::json!({ "a": 1 }));
        batch.add_json(&serde_json::json!({ "a": 2 }));
        let text = String::from_utf8(batch.bytes).unwrap();
        assert_eq!(text, "{\"v\":1,\"a\":1}\n{\"v\":1,\"a\":2}\n");
    }
}
