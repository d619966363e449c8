//! The layers of the code, enforced: a file imports only from its own layer or from those below, and never in a circle.
//!
//! The modules of each package are found as the compiler finds them, from `lib.rs` along the `mod` items, without what
//! is compiled for tests alone. An import is a `use` or a path that names an item of the same package; it counts for
//! the file that defines the item, so a re-export (`pub use`) is looked through and is no import itself. Paths inside
//! of macros count too. This cannot see methods that are called on values whose type another module has named.

mod answers;
mod map;
mod modules;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use modules::{Package, circles};

/// The server's modules by layer, from the bottom. A module that is not listed fails the test.
const SERVER: &[&[&str]] = &[
    &["domain"],
    &["storage", "accounts", "auth", "store", "io"],
    &["sftp", "exec", "session", "mount"],
    &["hooks", "ops", "ssh", "telemetry"],
    &["serve", "external", "control", "config", "shapes", "web"],
    &["cli"],
];

/// Where the sources of the packages are that must be free of circles.
const PACKAGES: &[&str] = &[
    "src",
    "crates/base/src",
    "crates/client/src",
    "crates/sftp-wire/src",
    "crates/testkit/src",
];

/// Modules that must not import each other, although they are in one layer.
const INDEPENDENT: &[(&str, &str)] = &[("storage", "auth")];

#[test]
fn no_file_of_the_server_imports_from_a_layer_above() {
    let package = Package::read("src");
    let layer_of: BTreeMap<&str, usize> = SERVER
        .iter()
        .enumerate()
        .flat_map(|(layer, names)| names.iter().map(move |name| (*name, layer)))
        .collect();
    let mut faults = BTreeSet::new();
    for (from, to) in package.imports() {
        let (Some(upper), Some(lower)) = (from.first(), to.first()) else {
            continue;
        };
        match (layer_of.get(upper.as_str()), layer_of.get(lower.as_str())) {
            (Some(own), Some(other)) if own >= other => {}
            (Some(_), Some(_)) => {
                faults.insert(format!(
                    "{} imports {}, of a layer above",
                    from.join("::"),
                    to.join("::")
                ));
            }
            _ => {
                faults.insert(format!("{upper} or {lower} is in no layer"));
            }
        }
        if INDEPENDENT
            .iter()
            .any(|(a, b)| (upper == a && lower == b) || (upper == b && lower == a))
        {
            faults.insert(format!("{} imports {}", from.join("::"), to.join("::")));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for root in PACKAGES {
        let package = Package::read(root);
        let found = circles(&package);
        assert!(found.is_empty(), "{root}: {found:#?}");
    }
}

#[test]
fn the_modules_at_the_top_of_a_package_form_no_circle() {
    for root in PACKAGES {
        let found = circles(&Package::read(root).of_top_modules());
        assert!(found.is_empty(), "{root}: {found:#?}");
    }
}

/// Other transports can stand beside the SSH library only as long as its types stay where they are needed.
#[test]
fn the_client_names_the_ssh_library_only_below_its_transport() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/client/src");
    let mut sources = Vec::new();
    map::gather(&root, &mut sources);
    let naming = |source: &map::Source| source.text.contains("russh").then(|| source.path.clone());
    let naming: Vec<PathBuf> = sources.iter().filter_map(naming).collect();
    let may = |path: &PathBuf| {
        let stem = path.with_extension("");
        stem.starts_with(root.join("connect")) || stem.starts_with(root.join("link/ssh"))
    };
    assert!(naming.iter().any(may), "{} has a transport", root.display());
    let faults: Vec<&PathBuf> = naming.iter().filter(|path| !may(path)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_import_reader_finds_every_kind_of_import() {
    let package = Package::of_texts(&[
        ("lib", "pub mod a; pub mod b; pub mod c; #[cfg(test)] mod t;"),
        (
            "a",
            "mod inner; pub use inner::Thing; use crate::b::{self, Deep as D}; fn f() { b::g() }",
        ),
        (
            "a/inner",
            "pub struct Thing; fn f() { println!(\"{}\", crate::c::NAME) }",
        ),
        (
            "b",
            "pub struct Deep; #[cfg(test)] mod tests { use crate::a::Thing; }",
        ),
        ("c", "use crate::a::Thing; pub const NAME: &str = \"\";"),
    ]);
    let imports: BTreeSet<String> = package
        .imports()
        .map(|(from, to)| format!("{} -> {}", from.join("::"), to.join("::")))
        .collect();
    let expected = ["a -> b", "a::inner -> c", "c -> a::inner"];
    assert_eq!(imports, expected.map(str::to_owned).into());
    assert_eq!(circles(&package).len(), 1, "a::inner and c");
    assert_eq!(circles(&package.of_top_modules()).len(), 1, "a and c");
}
