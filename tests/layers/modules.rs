//! Reads the modules of a package and the imports between them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

/// A module's place in its package: `["a", "b"]` is `crate::a::b`.
pub type ModulePath = Vec<String>;

/// The modules of a package, a node for each file, and the imports between them.
#[derive(Debug, Default)]
pub struct Package {
    edges: BTreeMap<ModulePath, BTreeSet<ModulePath>>,
}

/// The paths that one file names, and the names that it offers.
#[derive(Default)]
struct Module {
    /// The paths that it names, from the root of the package.
    named: Vec<ModulePath>,
    /// Names that it offers, and where they come from.
    offered: BTreeMap<String, ModulePath>,
}

impl Package {
    /// Reads the package whose sources are in this directory of the repository.
    pub fn read(root: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
        let package = Self::gather(&|module: &ModulePath| {
            let stem: PathBuf = module.iter().collect();
            let candidates = match module.is_empty() {
                true => vec![root.join("lib.rs")],
                false => vec![
                    root.join(&stem).with_extension("rs"),
                    root.join(&stem).join("mod.rs"),
                ],
            };
            candidates
                .iter()
                .find_map(|file| std::fs::read_to_string(file).ok())
        });
        assert!(package.edges.len() > 1, "{} has modules", root.display());
        package
    }

    /// Takes the files' texts from memory: pairs of a file's path without `.rs` and its text.
    pub fn of_texts(files: &[(&str, &str)]) -> Self {
        Self::gather(&|module: &ModulePath| {
            let name = if module.is_empty() {
                "lib".to_owned()
            } else {
                module.join("/")
            };
            let (_, text) = files.iter().find(|(file, _)| *file == name)?;
            Some((*text).to_owned())
        })
    }

    fn gather(text_of: &dyn Fn(&ModulePath) -> Option<String>) -> Self {
        let mut modules = BTreeMap::new();
        let mut waiting = vec![ModulePath::new()];
        while let Some(path) = waiting.pop() {
            let text = text_of(&path).unwrap_or_else(|| panic!("there is no file for {path:?}"));
            let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            let children = file
                .items
                .iter()
                .filter_map(declared)
                .map(|name| [&path[..], &[name]].concat());
            waiting.extend(children.clone());
            let mut reader = Reader {
                path: path.clone(),
                children: children.filter_map(|child| child.last().cloned()).collect(),
                module: Module::default(),
            };
            reader.visit_file(&file);
            modules.insert(path, reader.module);
        }
        let mut edges = BTreeMap::new();
        for (path, module) in &modules {
            let targets = module.named.iter().filter_map(|named| target(&modules, named, 0));
            // `lib.rs` is documentation and a list of modules.
            let others = targets
                .filter(|other| other != path && !other.is_empty())
                .collect();
            edges.insert(path.clone(), others);
        }
        edges.remove(&ModulePath::new());
        Self { edges }
    }

    /// Lists each import once, as the importing module and the module that it imports from.
    pub fn imports(&self) -> impl Iterator<Item = (&ModulePath, &ModulePath)> {
        self.edges
            .iter()
            .flat_map(|(from, all)| all.iter().map(move |to| (from, to)))
    }

    /// Returns the same package with one node for each module of the root and all that is beneath it.
    pub fn of_top_modules(&self) -> Self {
        let top = |path: &ModulePath| path.iter().take(1).cloned().collect::<ModulePath>();
        let mut edges: BTreeMap<ModulePath, BTreeSet<ModulePath>> = BTreeMap::new();
        for (from, to) in self.imports().filter(|(from, to)| top(from) != top(to)) {
            edges.entry(top(from)).or_default().insert(top(to));
        }
        Self { edges }
    }
}

/// Finds the circles: each entry lists the imports between modules that can reach each other.
pub fn circles(package: &Package) -> Vec<Vec<String>> {
    let reachable: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> = package
        .edges
        .keys()
        .map(|start| {
            let mut seen = BTreeSet::new();
            let mut waiting = vec![start];
            while let Some(at) = waiting.pop() {
                for next in package.edges.get(at).into_iter().flatten() {
                    if seen.insert(next) {
                        waiting.push(next);
                    }
                }
            }
            (start, seen)
        })
        .collect();
    let reaches =
        |from: &ModulePath, to: &ModulePath| reachable.get(from).is_some_and(|seen| seen.contains(to));
    let mut groups: BTreeMap<&ModulePath, Vec<String>> = BTreeMap::new();
    for (from, to) in package.imports().filter(|(from, to)| reaches(to, from)) {
        // All modules of one circle have the same first member.
        let first = package
            .edges
            .keys()
            .find(|other| *other == from || (reaches(from, other) && reaches(other, from)));
        let import = format!("{} -> {}", from.join("::"), to.join("::"));
        groups.entry(first.unwrap_or(from)).or_default().push(import);
    }
    groups.into_values().collect()
}

/// Follows a path to the file that defines what it names, through what other modules offer.
fn target(modules: &BTreeMap<ModulePath, Module>, named: &[String], depth: usize) -> Option<ModulePath> {
    let (length, module) = (0..=named.len())
        .rev()
        .find_map(|n| Some((n, modules.get(&named[..n])?)))?;
    match named.get(length).and_then(|name| module.offered.get(name)) {
        // Modules may offer each other's names in a circle, which the compiler permits.
        Some(origin) if depth < 16 => {
            let further = [&origin[..], &named[length + 1..]].concat();
            target(modules, &further, depth + 1)
        }
        _ => Some(named[..length].to_vec()),
    }
}

/// Reads one file: collects the paths that it names and the names that it offers.
struct Reader {
    path: ModulePath,
    children: BTreeSet<String>,
    module: Module,
}

impl Reader {
    /// Turns the segments of a path into one from the root of the package; `None` for other packages and plain names.
    fn rooted(&self, segments: &[String]) -> Option<ModulePath> {
        let supers = segments.iter().take_while(|segment| *segment == "super").count();
        match segments.first()?.as_str() {
            "crate" => Some(segments[1..].to_vec()),
            "self" => Some([&self.path[..], &segments[1..]].concat()),
            "super" => {
                let kept = self.path.len().checked_sub(supers)?;
                Some([&self.path[..kept], &segments[supers..]].concat())
            }
            child if self.children.contains(child) => Some([&self.path[..], segments].concat()),
            _ => None,
        }
    }

    fn add_use(&mut self, tree: &UseTree, before: &[String], is_offered: bool) {
        let (name, alias) = match tree {
            UseTree::Path(path) => {
                let further = [before, &[path.ident.to_string()]].concat();
                return self.add_use(&path.tree, &further, is_offered);
            }
            UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|item| self.add_use(item, before, is_offered));
            }
            UseTree::Name(name) => (Some(name.ident.to_string()), name.ident.to_string()),
            UseTree::Rename(rename) => (Some(rename.ident.to_string()), rename.rename.to_string()),
            UseTree::Glob(_) => (None, "*".to_owned()),
        };
        let itself = name.as_deref() == Some("self");
        let segments = [
            before,
            &name.filter(|_| !itself).into_iter().collect::<Vec<_>>()[..],
        ]
        .concat();
        if let Some(path) = self.rooted(&segments) {
            match is_offered {
                true => drop(self.module.offered.insert(alias, path)),
                false => self.module.named.push(path),
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        // A module within the file belongs to the file; only its `super` means something else.
        if item.content.is_some() {
            self.path.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.path.pop();
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    /// Where an item can be seen (`pub(in crate::a)`) is no import.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_offered = !matches!(item.vis, Visibility::Inherited);
        self.add_use(&item.tree, &[], is_offered);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if segments.len() > 1 && path.leading_colon.is_none() {
            self.module.named.extend(self.rooted(&segments));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        // Tokens are separated by spaces, also around `::`.
        let text = called.tokens.to_string().replace(" :: ", "::");
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        for word in text.split(|c| !is_part(c)) {
            let segments: Vec<String> = word.split("::").map(str::to_owned).collect();
            if matches!(segments[0].as_str(), "crate" | "super" | "self") && segments.len() > 1 {
                self.module.named.extend(self.rooted(&segments));
            }
        }
        visit::visit_macro(self, called);
    }
}

/// The name of the file's module that this item declares, unless it is for tests.
fn declared(item: &Item) -> Option<String> {
    match item {
        Item::Mod(module) if module.content.is_none() && !is_for_tests(&module.attrs) => {
            Some(module.ident.to_string())
        }
        _ => None,
    }
}

/// Reports whether these attributes include a condition that names `test`.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| {
                let text = list.tokens.to_string();
                text.split(|c: char| !c.is_alphanumeric())
                    .any(|word| word == "test")
            })
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
