use std::path::Path;

use base::manual::{completions, pages};
use clap::{Command, CommandFactory};
use clap_complete::Shell;

/// The lines between "Usage:" and the next paragraph of a help.
fn usage(help: &str) -> Vec<&str> {
    let (_, usage) = help
        .split_once("Usage:")
        .unwrap_or_else(|| panic!("no usage: {help}"));
    let lines = usage.lines().map(str::trim);
    lines.take_while(|line| !line.is_empty()).collect()
}

/// The lines of a page's synopsis, as they are shown.
fn synopsis(page: &str) -> Vec<String> {
    let (_, synopsis) = page
        .split_once(".SH SYNOPSIS\n")
        .unwrap_or_else(|| panic!("no synopsis: {page}"));
    let lines = synopsis.lines().take_while(|line| !line.starts_with(".SH"));
    let shown = lines.filter(|line| !line.starts_with('.') || line.starts_with("..."));
    shown.map(|line| line.replace("\\-", "-")).collect()
}

/// Compares the page of a command, and of all commands below it, with its `--help`. Returns how many pages there are.
fn check_pages<Grammar: CommandFactory>(dir: &Path, words: &[&str], verb: &Command) -> usize {
    let name = words.join("-");
    let page = std::fs::read_to_string(dir.join(format!("{name}.1"))).unwrap_or_else(|_| panic!("{name}"));
    let help = Grammar::command()
        .try_get_matches_from(words.iter().chain(&["--help"]))
        .unwrap_err();
    assert_eq!(synopsis(&page), usage(&help.to_string()), "{name}");
    let below = verb.get_subcommands().filter(|below| !below.is_hide_set());
    let pages = below.map(|below| {
        let words = [words, &[below.get_name()]].concat();
        check_pages::<Grammar>(dir, &words, below)
    });
    1 + pages.sum::<usize>()
}

/// Checks that no option of a command that changes something claims a default: what is not named stays the same.
fn check_changes(words: &[&str], verb: &Command) -> usize {
    let changes = ["set", "apply"].contains(&verb.get_name());
    for option in verb.get_arguments().filter(|_| changes) {
        let helps = [option.get_help(), option.get_long_help()];
        for help in helps.into_iter().flatten().map(ToString::to_string) {
            for claim in ["[default", "the default"] {
                assert!(!help.contains(claim), "{words:?} {}: {help}", option.get_id());
            }
        }
    }
    let below = verb.get_subcommands();
    let checked = below.map(|below| check_changes(&[words, &[below.get_name()]].concat(), below));
    usize::from(changes) + checked.sum::<usize>()
}

#[test]
fn commands_that_change_what_is_there_claim_no_defaults() {
    let checked = check_changes(&["homeportd"], &super::grammar::Cli::command());
    assert!(checked >= 3, "{checked}");
}

#[test]
fn each_page_shows_the_usage_that_the_help_shows() {
    let dir = tempfile::tempdir().unwrap();
    pages::<super::grammar::Cli>(dir.path(), &super::grammar::MANUAL).unwrap();
    pages::<homeport::cli::Cli>(dir.path(), &homeport::cli::MANUAL).unwrap();
    let checked =
        check_pages::<super::grammar::Cli>(dir.path(), &["homeportd"], &super::grammar::Cli::command())
            + check_pages::<homeport::cli::Cli>(dir.path(), &["homeport"], &homeport::cli::Cli::command());
    assert_eq!(checked, std::fs::read_dir(dir.path()).unwrap().count());
    let get = std::fs::read_to_string(dir.path().join("homeport-get.1")).unwrap();
    assert_eq!(
        synopsis(&get),
        ["homeport get [OPTIONS] [USER@]HOST:FILE... [DESTINATION]"]
    );
}

#[test]
fn each_program_has_its_pages_and_completions() {
    let dir = tempfile::tempdir().unwrap();
    let pages_dir = dir.path().join("man1");
    pages::<super::grammar::Cli>(&pages_dir, &super::grammar::MANUAL).unwrap();
    pages::<homeport::cli::Cli>(&pages_dir, &homeport::cli::MANUAL).unwrap();
    for page in ["homeportd-user-add.1", "homeport.1", "homeport-put.1"] {
        assert!(pages_dir.join(page).exists(), "{page}");
    }
    let page = std::fs::read_to_string(pages_dir.join("homeport.1")).unwrap();
    assert!(page.contains("password\\-stdin"), "{page}");
    for page in [
        "homeport.1",
        "homeport-put.1",
        "homeportd.1",
        "homeportd-user-add.1",
    ] {
        let page = std::fs::read_to_string(pages_dir.join(page)).unwrap();
        for section in ["\"EXIT STATUS\"", "FILES", "EXAMPLES"] {
            assert!(page.contains(&format!(".SH {section}\n")), "{section}: {page}");
        }
    }
    let script = completions::<homeport::cli::Cli>(Shell::Bash);
    assert!(
        script.contains("_homeport()") && script.contains("--no-resume"),
        "{script}"
    );
    let refused = pages::<homeport::cli::Cli>(std::path::Path::new("/dev/null/man"), &homeport::cli::MANUAL);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("cannot write manual pages")
    );
}
