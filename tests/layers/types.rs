//! Where types stand: each name has one definition in a package, and the methods of a type stand in its file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Ident, ItemEnum, ItemImpl, ItemStruct, ItemTrait, ItemUnion, Macro, Type};

/// The directories of the packages' sources, tests included.
const PACKAGES: &[&str] = &[
    "src",
    "crates/base/src",
    "crates/client/src",
    "crates/heap/src",
    "crates/sftp-wire/src",
    "crates/testkit/src",
    "fuzz/fuzz_targets",
    "tests",
    "tools",
];

/// The types that one file defines, and those that it gives methods to.
#[derive(Default)]
struct FileTypes {
    defined: Vec<String>,
    /// The types of the inherent `impl` blocks.
    extended: Vec<String>,
}

/// The types of a package by file.
struct PackageTypes(BTreeMap<PathBuf, FileTypes>);

impl FileTypes {
    fn of_text(text: &str) -> syn::Result<Self> {
        let mut types = Self::default();
        types.visit_file(&syn::parse_file(text)?);
        Ok(types)
    }

    fn define(&mut self, name: &Ident) {
        self.defined.push(name.to_string());
    }
}

impl<'ast> Visit<'ast> for FileTypes {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.define(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.define(&item.ident);
    }

    fn visit_item_union(&mut self, item: &'ast ItemUnion) {
        self.define(&item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.define(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if item.trait_.is_none() {
            self.extended.extend(name_of(&item.self_ty));
        }
        visit::visit_item_impl(self, item);
    }

    /// The tokens of a macro are not parsed, so a type is a name that follows one of these keywords.
    fn visit_macro(&mut self, called: &'ast Macro) {
        let text = called.tokens.to_string();
        let words: Vec<&str> = text.split_whitespace().collect();
        for pair in words.windows(2) {
            let name: String = pair[1].chars().take_while(|c| c.is_alphanumeric()).collect();
            let is_keyword = matches!(pair[0], "struct" | "enum" | "union" | "trait");
            if is_keyword && name.starts_with(|c: char| c.is_ascii_uppercase()) {
                self.defined.push(name);
            }
        }
    }
}

impl PackageTypes {
    /// Reads the package whose sources are in this directory of the repository.
    fn read(directory: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = BTreeMap::new();
        let mut waiting = vec![root.join(directory)];
        while let Some(directory) = waiting.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    waiting.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let types = FileTypes::of_text(&text)
                        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    let path = path.strip_prefix(root).unwrap().to_owned();
                    files.insert(path, types);
                }
            }
        }
        assert!(!files.is_empty(), "{directory} has sources");
        Self(files)
    }

    /// Takes the files' texts from memory: pairs of a file's path and its text.
    fn of_texts(files: &[(&str, &str)]) -> Self {
        let types = |(path, text): &(&str, &str)| (PathBuf::from(path), FileTypes::of_text(text).unwrap());
        Self(files.iter().map(types).collect())
    }

    /// Lists the types that get methods in a file that does not define them.
    fn methods_elsewhere(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (path, types) in &self.0 {
            let elsewhere = types.extended.iter().filter(|name| !types.defined.contains(name));
            faults.extend(elsewhere.map(|name| format!("{}: {name}", path.display())));
        }
        faults
    }

    /// Lists the names that more than one type has.
    fn homonyms(&self) -> Vec<String> {
        let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (path, types) in &self.0 {
            for name in &types.defined {
                places.entry(name).or_default().push(path.display().to_string());
            }
        }
        let several = places.into_iter().filter(|(_, files)| files.len() > 1);
        several
            .map(|(name, files)| format!("{name}: {}", files.join(", ")))
            .collect()
    }
}

/// Returns the name of the type that an `impl` block is for.
fn name_of(self_type: &Type) -> Option<String> {
    match self_type {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        Type::TraitObject(object) => object.bounds.iter().find_map(|bound| match bound {
            syn::TypeParamBound::Trait(bound) => bound
                .path
                .segments
                .last()
                .map(|segment| segment.ident.to_string()),
            _ => None,
        }),
        Type::Paren(inner) => name_of(&inner.elem),
        Type::Group(inner) => name_of(&inner.elem),
        _ => None,
    }
}

#[test]
fn the_methods_of_a_type_stand_in_its_file() {
    for package in PACKAGES {
        let faults = PackageTypes::read(package).methods_elsewhere();
        assert!(faults.is_empty(), "{package}: {faults:#?}");
    }
}

#[test]
fn a_package_has_one_type_of_a_name() {
    for package in PACKAGES {
        let faults = PackageTypes::read(package).homonyms();
        assert!(faults.is_empty(), "{package}: {faults:#?}");
    }
}

#[test]
fn methods_elsewhere_and_homonyms_are_found() {
    let package = PackageTypes::of_texts(&[
        (
            "a.rs",
            "struct Own<T>(T); impl<T: Copy> Own<T> { fn f() {} } trait Part {} impl dyn Part + '_ {}",
        ),
        (
            "a/b.rs",
            "use super::Own; impl Own<u8> {} impl Drop for super::Own<u16> {} impl super::Other {}",
        ),
        (
            "c.rs",
            "mod tests { enum Own {} fn f() { struct Inner; impl Inner {} } }",
        ),
        (
            "d.rs",
            "impl dyn super::Part {} union Inner { a: u8 } type Part = u8;",
        ),
        (
            "e.rs",
            "macro_rules! m { ($n:ident) => { enum Made { A } struct $n; } } impl Made {}",
        ),
    ]);
    assert_eq!(
        package.methods_elsewhere(),
        ["a/b.rs: Own", "a/b.rs: Other", "d.rs: Part"]
    );
    assert_eq!(package.homonyms(), ["Inner: c.rs, d.rs", "Own: a.rs, c.rs"]);
}
