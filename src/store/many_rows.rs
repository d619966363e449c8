//! Statements about many rows at once. A transaction about 10,000 users takes a few hundred of them.

use std::fmt::Write as _;

/// The most rows of one statement: more make it no faster, and each stays a matter of milliseconds.
pub(super) const MOST_ROWS: usize = 100;

/// The most variables of a statement, as SQLite has been built by default since version 3.32.
const MOST_VARIABLES: usize = 32_766;

/// The most columns of a table that is written so.
const MOST_COLUMNS: usize = 64;

const _: () = assert!(MOST_ROWS * MOST_COLUMNS <= MOST_VARIABLES);

/// What a statement does with its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowsStatement {
    /// It adds them.
    Add,
    /// It replaces the rows that have the same first column.
    Replace,
}

impl RowsStatement {
    /// Returns the statement for as many rows, with a variable for each column of each row.
    pub(super) fn sql(self, table: &str, columns: &[&str], rows: usize) -> String {
        let values = values(rows, columns.len());
        match (self, columns) {
            (RowsStatement::Replace, [key, others @ ..]) => {
                let set: Vec<String> = others
                    .iter()
                    .zip(2..)
                    .map(|(name, number)| format!("{name} = new.column{number}"))
                    .collect();
                format!(
                    "UPDATE {table} SET {} FROM (VALUES {values}) AS new WHERE {table}.{key} = new.column1",
                    set.join(", ")
                )
            }
            _ => format!("INSERT INTO {table} ({}) VALUES {values}", columns.join(", ")),
        }
    }
}

/// Returns the rows of a statement: `(?, ?), (?, ?)`.
fn values(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row; rows].join(", ")
}

/// Returns the rows of a statement, each with its number at its end: `(?, ?, 1), (?, ?, 2)`.
pub(super) fn numbered_values(rows: usize, columns: usize) -> String {
    let variables = "?, ".repeat(columns);
    let mut text = String::new();
    for number in 1..=rows {
        let comma = if number == 1 { "" } else { ", " };
        // Writing into a string does not fail.
        let _ = write!(text, "{comma}({variables}{number})");
    }
    text
}

/// Returns names as a JSON array, for `IN (SELECT value FROM json_each($1))`: one variable, however many names.
pub(super) fn json_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    serde_json::json!(names.collect::<Vec<&str>>()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_have_a_variable_for_each_value() {
        assert_eq!(
            RowsStatement::Add.sql("t", &["a", "b"], 2),
            "INSERT INTO t (a, b) VALUES (?, ?), (?, ?)"
        );
        assert_eq!(
            RowsStatement::Replace.sql("t", &["a", "b", "c"], 1),
            "UPDATE t SET b = new.column2, c = new.column3 FROM (VALUES (?, ?, ?)) AS new WHERE t.a = new.column1"
        );
        assert_eq!(numbered_values(2, 1), "(?, 1), (?, 2)");
        let most = numbered_values(MOST_ROWS, MOST_COLUMNS);
        assert!(most.matches('?').count() <= MOST_VARIABLES);
        assert_eq!(json_list(["a", "b\""].into_iter()), r#"["a","b\""]"#);
    }
}
