//! The tables and lists of README.md against the code: what the code has, README.md must name, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Subcommand as _;
use homeport::commands::Command;
use homeportd::config::sample;
use homeportd::domain::user::Permission;
use homeportd::telemetry::EVENT_NAMES;
use sftp_wire::Extension;
use sftp_wire::extension::{Supported, VendorId};

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The part of a text between two others, which must be there.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("{start:?} is missing"));
    let (part, _) = rest
        .split_once(end)
        .unwrap_or_else(|| panic!("{end:?} is missing behind {start:?}"));
    part
}

/// The words of a text that stand between backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The words between backquotes in the first column of the table below this heading row.
fn first_column<'a>(readme: &'a str, heading: &str) -> Vec<&'a str> {
    let table = between(readme, heading, "\n\n");
    let cells = table.lines().filter_map(|line| line.split('|').nth(1));
    cells.flat_map(quoted).collect()
}

/// Checks that the same names stand on both sides, each once.
fn check_names<'a>(what: &str, in_readme: &[&str], in_code: impl IntoIterator<Item = &'a str>) {
    let in_code: BTreeSet<&str> = in_code.into_iter().collect();
    assert!(in_code.len() > 3, "{what}: {in_code:?}");
    let once: BTreeSet<&str> = in_readme.iter().copied().collect();
    assert_eq!(once, in_code, "{what} of README.md, and of the code");
    assert_eq!(
        once.len(),
        in_readme.len(),
        "README.md names some of its {what} twice"
    );
}

#[test]
fn the_permissions_are_named() {
    let readme = read("README.md");
    let named = first_column(&readme, "| permission | what the user may do |");
    check_names("permissions", &named, Permission::ALL.map(Permission::name));
    assert_eq!(named, Permission::ALL.map(Permission::name), "in their order");
}

#[test]
fn the_extensions_are_named() {
    let readme = read("README.md");
    let named = first_column(&readme, "| extension | what it does |");
    check_names("extensions", &named, Extension::ALL.map(Extension::name));
    let others = between(&readme, "It also announces ", ",");
    assert_eq!(quoted(others), [Supported::NAME, VendorId::NAME]);
}

#[test]
fn the_verbs_of_the_client_are_named() {
    let readme = read("README.md");
    let sentence = between(
        &readme,
        "some features need Homeport's. ",
        " are commands for scripts",
    );
    let grammar = Command::augment_subcommands(clap::Command::new("homeport"));
    let verbs = grammar.get_subcommands().map(clap::Command::get_name);
    check_names("verbs", &quoted(sentence), verbs);
}

#[test]
fn the_events_of_the_audit_log_are_named() {
    let readme = read("README.md");
    let sentence = between(&readme, "The events are ", ", which counts events");
    check_names("events", &quoted(sentence), EVENT_NAMES.iter().copied());
}

#[test]
fn fail2ban_looks_for_codes_that_exist() {
    let filter = read("packaging/fail2ban/filter.conf");
    let page = read("docs/json.md");
    let lists: Vec<&str> = filter.split("\"code\":\"(?").skip(1).collect();
    assert_eq!(lists.len(), 2, "{filter}");
    for list in lists {
        let (words, _) = list.trim_start_matches([':', '!']).split_once(')').unwrap();
        for word in words.split('|') {
            assert!(
                page.contains(&format!("`{word}`")),
                "docs/json.md has no code {word}"
            );
        }
    }
}

#[test]
fn the_audit_log_is_described() {
    let page = read("docs/json.md");
    let (_, page) = page.split_once("# The audit log of").unwrap();
    let words = |file: &str, start: &str, end: &str| -> Vec<String> {
        let code = read(file);
        let text = between(&code, start, end);
        text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let mut all: Vec<String> = EVENT_NAMES.iter().map(|name| (*name).to_owned()).collect();
    for file in [
        "src/auth/certificates.rs",
        "src/auth/denial.rs",
        "src/auth/trust/revoked.rs",
        "src/ssh/admission/refused.rs",
        "src/session/limits.rs",
        "src/ssh/entry.rs",
    ] {
        all.extend(words(file, "pub fn code(", "\n    }\n"));
    }
    all.extend(words("src/ssh/refusal_reason.rs", "fn handshake_code", "\n}\n"));
    all.extend(words("src/domain/event/facts.rs", "impl FileEnd", "\n}\n"));
    assert!(all.len() > 50, "{all:?}");
    for word in all {
        assert!(
            page.contains(&format!("`{word}`")),
            "docs/json.md does not describe {word}"
        );
    }
}

#[test]
fn the_settings_are_named() {
    let readme = read("README.md");
    // The sample has every setting, which a test of the configuration checks.
    let sample: toml::Table = toml::from_str(&sample::TEXT.replace("#> ", "")).unwrap();
    let rows = between(&readme, "| section | settings |\n|---|---|\n", "\n\n");
    let mut sections = BTreeSet::new();
    for row in rows.lines() {
        let mut words = quoted(row).into_iter();
        let section = words.next().unwrap().trim_matches(['[', ']']);
        sections.insert(section);
        let mut settings = toml::Table::new();
        match &sample[section] {
            toml::Value::Array(tables) => tables
                .iter()
                .for_each(|table| settings.extend(table.as_table().unwrap().clone())),
            section => settings = section.as_table().unwrap().clone(),
        }
        let words: Vec<&str> = words.collect();
        for (name, value) in &settings {
            let word = if value.is_table() {
                format!("[{section}.{name}]")
            } else {
                name.clone()
            };
            assert!(
                words.contains(&word.as_str()),
                "README.md does not name {word} in [{section}]"
            );
        }
        // The other words are values, of the setting before them.
        for word in words {
            let is_setting = settings.contains_key(
                word.trim_start_matches(&format!("[{section}."))
                    .trim_end_matches(']'),
            );
            let is_value = sample::TEXT.contains(&format!("\"{word}\""));
            assert!(is_setting || is_value, "README.md names {word} in [{section}]");
        }
    }
    assert_eq!(sections, sample.keys().map(String::as_str).collect());
}
