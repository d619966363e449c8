//! A page of the guide: its blocks of code, its headings and its links.

use std::path::Path;

/// A page in Markdown.
pub struct Page {
    /// The name of its file.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// The fenced blocks, in order.
    pub blocks: Vec<Block>,
}

/// A fenced block.
pub struct Block {
    /// The language behind the fence; empty if there is none.
    pub language: String,
    /// The lines, without the indentation of the fence.
    pub text: String,
    /// Why it is not run, if a comment says so.
    pub shown_only: Option<String>,
}

const FENCE: &str = "```";
const SHOWN_ONLY: &str = "<!-- shown only: ";

impl Page {
    /// Reads a page.
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let mut blocks: Vec<Block> = Vec::new();
        let mut shown_only = None;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let plain = line.trim_start();
            if let Some(reason) = plain.strip_prefix(SHOWN_ONLY) {
                shown_only = Some(reason.trim_end_matches("-->").trim().to_owned());
            }
            let Some(language) = plain.strip_prefix(FENCE) else {
                // The comment holds for the next block only.
                if !plain.is_empty() && !plain.starts_with(SHOWN_ONLY) {
                    shown_only = None;
                }
                continue;
            };
            let indentation = line.len() - plain.len();
            let mut inside = String::new();
            loop {
                let line = lines
                    .next()
                    .unwrap_or_else(|| panic!("{name}: a block has no end"));
                if line.trim() == FENCE {
                    break;
                }
                inside.push_str(line.get(indentation..).unwrap_or_default());
                inside.push('\n');
            }
            blocks.push(Block {
                language: language.trim().to_owned(),
                text: inside,
                shown_only: shown_only.take(),
            });
        }
        Self { name, text, blocks }
    }

    /// Returns the blocks that are not only shown.
    pub fn run(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(|block| block.shown_only.is_none())
    }

    /// Returns the targets of all links.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        let behind = self.text.split("](").skip(1);
        behind.filter_map(|rest| rest.split(')').next())
    }

    /// Returns the anchors of the headings, as GitHub makes them.
    pub fn anchors(&self) -> Vec<String> {
        let headings = self.text.lines().filter(|line| line.starts_with('#'));
        let anchor = |line: &str| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        headings.map(anchor).collect()
    }
}

impl Block {
    /// Returns whether the block has commands for a shell.
    pub fn is_script(&self) -> bool {
        matches!(self.language.as_str(), "sh" | "console")
    }

    /// Returns its commands.
    pub fn script(&self) -> String {
        let lines = self.text.lines();
        match self.language.as_str() {
            "console" => lines
                .filter_map(|line| line.strip_prefix("$ "))
                .map(|line| format!("{line}\n"))
                .collect(),
            _ => self.text.clone(),
        }
    }
}

/// Returns the commands of a script that are ours: those whose first word is the name of one of the programs.
pub fn own_commands(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in script.replace("\\\n", " ").lines() {
        // What stands in quotes is an argument.
        let mut is_quoted = false;
        let open: String = line
            .chars()
            .map(|c| {
                is_quoted ^= c == '\'';
                if is_quoted { ' ' } else { c }
            })
            .collect();
        let open = open.split(" #").next().unwrap_or_default();
        let pieces = open.split(['|', ';', '&', '(']);
        for piece in pieces {
            let mut words = piece.split_whitespace().skip_while(|word| {
                let is_assignment = word
                    .split_once('=')
                    .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
                is_assignment || matches!(*word, "do" | "then" | "else" | "!")
            });
            if matches!(words.next(), Some("homeportd" | "homeport")) {
                found.push(piece.trim().to_owned());
            }
        }
    }
    found
}

#[test]
fn commands_of_ours_are_found_wherever_they_stand() {
    let check = |script: &str, expected: usize| assert_eq!(own_commands(script).len(), expected, "{script}");
    check("homeportd check && systemctl reload homeport", 1);
    check("systemctl restart homeport", 0);
    check("tar c . | homeport put - HOST:x.tar", 1);
    check("A=b C_D=e homeportd check\nhomeportd \\\n  reload", 2);
    check("for u in a b; do homeportd user add $u; done", 1);
    check("jq '.users[] | homeportd'", 0);
    check("podman exec sftp /usr/bin/homeportd reload", 0);
    check("x=$(homeportd user list)", 1);
    check("ls # | homeportd check", 0);
}
