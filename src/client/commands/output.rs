//! What is shown, and how: for a person, for a script (`--json`, one object for each event or line), or nothing.

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Words, and bars where there is a terminal.
    #[default]
    Words,
    /// One JSON object a line.
    Json,
    /// Only errors.
    Quiet,
}

/// Where it goes: results to standard output, everything else to standard error.
#[derive(Debug, Clone, Copy, Default)]
pub struct Output {
    /// How.
    pub style: Style,
}
