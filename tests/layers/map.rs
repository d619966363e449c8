//! What ARCHITECTURE.md names, against the sources: files, items of files, and names in the code.

use std::path::{Path, PathBuf};

/// Where the paths of ARCHITECTURE.md begin.
const ROOTS: &[&str] = &[
    "",
    "src",
    "crates/client/src",
    "crates/base/src",
    "crates/testkit/src",
];

/// Where the sources are.
const SOURCES: &[&str] = &["src", "crates", "tests", "tools"];

/// A file of the sources, and its text.
pub struct Source {
    pub path: PathBuf,
    pub text: String,
}

/// Adds the sources in this directory and below.
pub fn gather(dir: &Path, sources: &mut Vec<Source>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            sources.push(Source { path, text });
        }
    }
}

impl Source {
    /// Whether the file defines an item of this name: a function, a type, a constant, a macro.
    fn defines(&self, name: &str) -> bool {
        const KINDS: [&str; 8] = [
            "fn ",
            "struct ",
            "enum ",
            "trait ",
            "const ",
            "static ",
            "type ",
            "macro_rules! ",
        ];
        KINDS.iter().any(|kind| contains_word(&self.text, kind, name))
    }

    /// Whether the file is that of the module or package of this name, or lies in its directory.
    fn is_of_module(&self, name: &str) -> bool {
        self.path.with_extension("").iter().any(|part| part == name)
    }
}

/// Whether `name` stands behind `before` somewhere, as a whole word.
fn contains_word(text: &str, before: &str, name: &str) -> bool {
    let whole = format!("{before}{name}");
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&whole).any(|(at, _)| {
        let begins = !text[..at].ends_with(is_part);
        begins && !text[at + whole.len()..].starts_with(is_part)
    })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Why something that ARCHITECTURE.md quotes does not exist; `None` if it does, or if it names nothing in the sources.
fn fault(quoted: &str, root: &Path, sources: &[Source]) -> Option<&'static str> {
    let (path, item) = match quoted.split_once(": ") {
        Some((path, item)) => (path, Some(item)),
        None => (quoted, None),
    };
    // NAME stands for any.
    let is_plain =
        !path.contains([' ', '*', '$', '(', '<', ':']) && !path.starts_with('.') && !path.contains("NAME");
    if is_plain && path.contains('/') {
        let mut files = ROOTS.iter().map(|start| root.join(start).join(path));
        let Some(file) = files.find(|file| file.exists()) else {
            return Some("there is no such file");
        };
        let source = sources.iter().find(|source| source.path == file);
        return match item {
            Some(item) if !source.is_some_and(|source| source.defines(item)) => {
                Some("the file defines no such item")
            }
            _ => None,
        };
    }
    if is_plain && path.ends_with(".rs") && item.is_none() {
        let exists = sources.iter().any(|source| source.path.ends_with(path));
        return (!exists).then_some("there is no such file");
    }
    let names: Vec<&str> = quoted.split("::").collect();
    if let [.., owner, name] = &names[..]
        && names.iter().all(|name| is_name(name))
    {
        let exists = sources.iter().any(|source| {
            (source.defines(owner)
                || source.is_of_module(owner)
                || contains_word(&source.text, "for ", owner))
                && contains_word(&source.text, "", name)
        });
        return (!exists).then_some("no file has both names");
    }
    let is_type = quoted.starts_with(|c: char| c.is_ascii_uppercase())
        && quoted.contains(|c: char| c.is_ascii_lowercase());
    if is_name(quoted) && (is_type || quoted.contains('_')) {
        let exists = sources
            .iter()
            .any(|source| contains_word(&source.text, "", quoted));
        return (!exists).then_some("no file has this name");
    }
    None
}

#[test]
fn the_map_names_what_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let mut sources = Vec::new();
    SOURCES
        .iter()
        .for_each(|dir| gather(&root.join(dir), &mut sources));
    assert!(sources.len() > 300, "{} sources were found", sources.len());
    // What stands between fences is a drawing.
    let prose: String = text.split("```").step_by(2).collect();
    let quoted: Vec<&str> = prose.split('`').skip(1).step_by(2).collect();
    let faults: Vec<String> = quoted
        .iter()
        .filter_map(|quoted| Some(format!("`{quoted}`: {}", fault(quoted, root, &sources)?)))
        .collect();
    assert!(faults.is_empty(), "ARCHITECTURE.md names\n{}", faults.join("\n"));
    let items = quoted.iter().filter(|quoted| quoted.contains(".rs: "));
    assert!(items.count() > 40, "few items are named");
}

/// The packages whose modules at the top the map has, all of them.
const MAPPED: &[&str] = &["src", "crates/client/src"];

#[test]
fn the_map_names_every_module_at_the_top() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let (_, map) = text.split_once("## Code map").unwrap();
    let (map, _) = map.split_once("\n## ").unwrap();
    let mut modules = 0;
    for package in MAPPED {
        for entry in std::fs::read_dir(root.join(package)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let is_named = [format!("`{name}.rs`"), format!("`{name}/`")]
                .iter()
                .any(|quoted| map.contains(quoted));
            assert!(
                is_named || name == "lib",
                "the code map does not name {}",
                path.display()
            );
            modules += 1;
        }
    }
    assert!(modules > 40, "{modules}");
    for package in std::fs::read_dir(root.join("crates")).unwrap() {
        let name = package.unwrap().file_name().into_string().unwrap();
        assert!(
            map.contains(&format!("`crates/{name}")),
            "the code map does not name crates/{name}"
        );
    }
}

#[test]
fn what_does_not_exist_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    gather(&root.join("src"), &mut sources);
    let check = |quoted: &str, is_fault: bool| {
        assert_eq!(fault(quoted, root, &sources).is_some(), is_fault, "{quoted}");
    };
    check("domain/user.rs: permissions", false);
    check("domain/user.rs: permission", true);
    check("domain/users.rs", true);
    check("event_queue.rs", false);
    check("event_queues.rs", true);
    check("Event::Closed", false);
    check("Event::Cloze", true);
    check("VirtualPath", false);
    check("VirtualPaths", true);
    check("user disable", false);
}
