//! The guide in `docs/`: every command of ours in it is run, every configuration in it is read, every link leads
//! somewhere, and no page is left out.
//!
//! The rule: the blocks `sh` of a page, and the lines of its blocks `console` that begin with `$ `, are one script. It
//! is run in a directory of its own beside a running server, in which nothing but `homeportd`, `homeport` and a few
//! harmless programs exist: all others (systemctl, useradd, …) do nothing, and are only shown. A block `toml` is a
//! configuration. A block behind a line `<!-- shown only: WHY -->` is neither.

mod page;
mod sandbox;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Parser as _;

use self::page::{Block, Page};
use self::sandbox::GuideSandbox;
use homeportd::cli::grammar::Cli;
use homeportd::config::{load, sample};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns all pages of the guide.
fn pages() -> Vec<Page> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    files.sort();
    assert!(files.len() >= 14, "{files:?}");
    files.iter().map(|file| Page::read(file)).collect()
}

#[test]
fn every_command_of_ours_works_as_it_stands() {
    let mut commands = 0;
    for page in pages() {
        let script: String = page
            .run()
            .filter(|block| block.is_script())
            .map(Block::script)
            .collect();
        let ours = page::own_commands(&script);
        if ours.is_empty() {
            continue;
        }
        commands += ours.len();
        let ran = GuideSandbox::for_script(&script).run(&page.name, &script);
        // A loop runs a command several times.
        assert!(
            ran.len() >= ours.len(),
            "{}: of these commands\n{}\nthese were run\n{}",
            page.name,
            ours.join("\n"),
            ran.join("\n")
        );
    }
    assert!(commands > 40, "{commands}");
}

/// The grammar, also of commands in blocks that are only shown, which nothing runs.
#[test]
fn every_command_of_the_server_is_understood() {
    let mut commands = 0;
    for page in pages() {
        for block in page.blocks.iter().filter(|block| block.is_script()) {
            let script = block.script().replace("\\\n", " ");
            let lines = script.lines().map(str::trim_start);
            for line in lines.filter(|line| line.starts_with("homeportd ")) {
                // What a shell puts in place of these has no space in it, either.
                let plain = line
                    .replace("$(date +%F)", "2026-11-30")
                    .replace("$user", "calvin");
                let end = [" #", " |", " <", " >", " &&"].map(|end| plain.find(end).unwrap_or(plain.len()));
                let plain = &plain[..end.into_iter().min().unwrap()];
                let words = plain
                    .split_whitespace()
                    .map(|word| word.trim_matches(['"', '\'']));
                Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{}: {line}: {error}", page.name));
                commands += 1;
            }
        }
    }
    assert!(commands > 30, "only {commands} commands were found");
}

/// A block in another language would not be run.
#[test]
fn commands_of_ours_stand_in_scripts() {
    for page in pages() {
        for block in page.run().filter(|block| !block.is_script()) {
            let hidden = page::own_commands(&block.text);
            assert!(
                hidden.is_empty(),
                "{}: ```{}: {hidden:?}",
                page.name,
                block.language
            );
        }
    }
}

#[test]
fn every_configuration_is_valid() {
    let mut found = 0;
    for page in pages() {
        for block in page.run().filter(|block| block.language == "toml") {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("homeportd.toml");
            std::fs::write(&file, &block.text).unwrap();
            if let Err(error) = load(&file) {
                panic!("{}: {error}", page.name);
            }
            found += 1;
        }
    }
    assert!(found >= 4, "{found}");
}

#[test]
fn what_is_only_shown_says_why() {
    for page in pages() {
        for block in &page.blocks {
            let reason = block.shown_only.as_deref();
            assert!(
                reason.is_none_or(|reason| reason.len() > 10),
                "{}: {reason:?}",
                page.name
            );
        }
    }
}

#[test]
fn the_index_names_every_page() {
    let all = pages();
    let index = all.iter().find(|page| page.name == "README.md").unwrap();
    for page in &all {
        let link = format!("]({})", page.name);
        assert!(
            page.name == index.name || index.text.contains(&link),
            "docs/README.md does not name {}",
            page.name
        );
    }
}

#[test]
fn every_link_leads_somewhere() {
    let all = pages();
    let mut found = 0;
    for page in &all {
        for link in page.links() {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = match file {
                "" => root().join("docs").join(&page.name),
                file => root().join("docs").join(file),
            };
            assert!(path.exists(), "{}: {link}", page.name);
            if !anchor.is_empty() {
                let headings = Page::read(&path).anchors();
                assert!(
                    headings.iter().any(|heading| heading == anchor),
                    "{}: {link}: {headings:?}",
                    page.name
                );
            }
            found += 1;
        }
    }
    assert!(found > 30, "{found}");
}

/// Every variable of the environment that the guide and the packages name is a setting.
#[test]
fn every_variable_is_a_setting() {
    let sample: toml::Table = toml::from_str(&sample::TEXT.replace("#> ", "")).unwrap();
    let mut known = BTreeSet::from(["HOMEPORT_CONFIG".to_owned()]);
    for (section, settings) in &sample {
        // Lists of tables come from the file alone.
        for (name, value) in settings.as_table().into_iter().flatten() {
            let below = value.as_table().into_iter().flat_map(toml::Table::keys);
            let deeper = below.map(|inner| format!("{name}_{inner}"));
            for name in deeper.chain([name.clone()]) {
                known.insert(format!("HOMEPORT_{section}_{name}").to_uppercase());
            }
        }
    }
    let mut texts: Vec<(String, String)> = pages().into_iter().map(|page| (page.name, page.text)).collect();
    for file in [
        "packaging/kubernetes/homeport.yaml",
        "packaging/container/Containerfile",
    ] {
        texts.push((
            file.to_owned(),
            std::fs::read_to_string(root().join(file)).unwrap(),
        ));
    }
    let mut found = 0;
    for (name, text) in texts {
        let is_part = |c: char| c.is_ascii_uppercase() || c == '_';
        for word in text
            .split(|c| !is_part(c))
            .filter(|word| word.starts_with("HOMEPORT_"))
        {
            // "HOMEPORT_" alone, and "HOMEPORT_*", stand for all of them.
            assert!(word == "HOMEPORT_" || known.contains(word), "{name}: {word}");
            found += 1;
        }
    }
    assert!(found > 4, "{found}");
}
