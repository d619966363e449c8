//! Compares the replies of the server with those of the machine's own OpenSSH `sftp-server`, in the same run on equal
//! trees: whole replies (codes, texts, names, long names, attributes), and the resulting files.
//!
//! A row is a few requests in a directory of its own with a file of each kind ([`tree`]). Both servers see their tree
//! as `/`. Intended differences are listed in [`meant`] with their reasons, and must really occur; so are sentences that are
//! clearer than OpenSSH's texts.
//!
//! `HOMEPORT_SEMANTICS_SELF=1` compares OpenSSH with itself, to try the harness.

mod meant;
mod meant_table;
mod row;
mod rows_attrs;
mod rows_dirs;
mod rows_extensions;
mod rows_io;
mod rows_names;
mod rows_open;
mod rows_ours;
mod rows_pairs;
mod rows_sequences;
mod rows_wire;
mod side;
mod targets;
mod tree;

use row::Row;
use side::{Outcome, Side};

const USER: &str = "alice";

fn rows() -> Vec<Row> {
    let topics = [
        rows_names::rows(),
        rows_open::rows(),
        rows_io::rows(),
        rows_attrs::rows(),
        rows_dirs::rows(),
        rows_pairs::rows(),
        rows_extensions::rows(),
        rows_sequences::rows(),
        rows_wire::rows(),
    ];
    let wanted = std::env::var("HOMEPORT_SEMANTICS_ROW").unwrap_or_default();
    topics
        .into_iter()
        .flatten()
        .filter(|row| row.name.contains(&wanted))
        .collect()
}

#[test]
fn every_row_is_answered_as_openssh_does() {
    let rows = rows();
    let stamp = tree::Stamp::new();
    let with_itself = std::env::var_os("HOMEPORT_SEMANTICS_SELF").is_some();
    let (mut ours, theirs) = std::thread::scope(|scope| {
        let ours = scope.spawn(|| {
            let side = if with_itself {
                Side::openssh(stamp)
            } else {
                Side::homeport(stamp)
            };
            side.run(&rows)
        });
        let theirs = scope.spawn(|| Side::openssh(stamp).run(&rows));
        (ours.join().unwrap(), theirs.join().unwrap())
    });
    if !with_itself {
        let is_whole = std::env::var_os("HOMEPORT_SEMANTICS_ROW").is_none();
        for text in meant::clearer() {
            let lines = ours.iter_mut().flat_map(|outcome| &mut outcome.replies);
            let count = lines
                .filter_map(|line| text.replace_in(line).then_some(()))
                .count();
            assert!(
                count > 0 || !is_whole,
                "no reply has one of the clearer sentences"
            );
        }
    }
    let mut findings = Vec::new();
    let mut stated = 0;
    for ((row, ours), theirs) in rows.iter().zip(&ours).zip(&theirs) {
        let differing = ours.differing(theirs);
        match meant::find(&row.name) {
            Some(_) if with_itself => {}
            Some(difference) => {
                stated += 1;
                if let Some(finding) = difference.check(&differing, &theirs.differing(ours)) {
                    findings.push(format!("{}: {finding}{}", row.name, both(ours, theirs)));
                }
            }
            None if differing.is_empty() => {}
            None => findings.push(format!("{}{}", row.name, both(ours, theirs))),
        }
    }
    println!("{} rows, {stated} with a difference that is meant", rows.len());
    let silent: Vec<_> = meant::all()
        .filter(|d| !rows.iter().any(|row| d.covers(&row.name)))
        .collect();
    if std::env::var_os("HOMEPORT_SEMANTICS_ROW").is_none() {
        assert!(rows.len() > 700, "only {} rows", rows.len());
        assert!(
            silent.is_empty(),
            "meant differences of rows that do not exist: {silent:?}"
        );
    }
    assert!(
        findings.is_empty(),
        "{} of {} rows differ:\n{}",
        findings.len(),
        rows.len(),
        findings.join("\n")
    );
}

fn both(ours: &Outcome, theirs: &Outcome) -> String {
    let mut out = String::new();
    for (who, lines) in [
        ("ours", ours.differing(theirs)),
        ("theirs", theirs.differing(ours)),
    ] {
        for line in lines {
            out.push_str(&format!("\n    {who:6} {line}"));
        }
    }
    out
}

/// Requests that OpenSSH does not answer, or on which it waits for ever, get a reply from Homeport.
#[test]
fn requests_on_which_openssh_hangs_are_answered() {
    let (rows, expected): (Vec<_>, Vec<_>) = rows_ours::rows().into_iter().unzip();
    let outcomes = Side::homeport(tree::Stamp::new()).run(&rows);
    for ((row, expected), outcome) in rows.iter().zip(expected).zip(outcomes) {
        assert_eq!(outcome.replies, expected, "{}", row.name);
    }
}

#[test]
fn names_of_rows_are_unique() {
    let mut names: Vec<_> = rows().into_iter().map(|row| row.name).collect();
    names.sort();
    let twice: Vec<_> = names
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| &pair[0])
        .collect();
    assert!(twice.is_empty(), "{twice:?}");
}
