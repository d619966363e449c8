//! The permissions of SFTPGo by directory, and which of them belong to folders.

use std::collections::BTreeSet;

use crate::domain::path::VirtualPath;
use crate::domain::permission::{Permission, PermissionRules, Permissions, RulePath};

/// What stands for the user in the paths of a group.
const PLACEHOLDERS: [&str; 2] = ["%username%", "%role%"];

/// Whether a text of a group means something else for each user.
pub(super) fn has_placeholder(text: &str) -> bool {
    PLACEHOLDERS.iter().any(|placeholder| text.contains(placeholder))
}

/// Returns what a text of a group means for a user.
pub(super) fn filled(text: &str, username: &str, role: &str) -> String {
    let [name, of_role] = PLACEHOLDERS;
    text.replace(name, username).replace(of_role, role)
}

/// Whether a path is a pattern for several directories.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '\\'])
}

/// Returns the permissions that words of SFTPGo stand for, and the words that have no counterpart.
pub(super) fn permissions(words: &[String]) -> (Permissions, Vec<&str>) {
    let (mut set, mut left_out) = (BTreeSet::new(), Vec::new());
    let has = |word: &str| words.iter().any(|one| one == word);
    for word in words {
        match word.as_str() {
            "*" => set.extend(Permission::ALL),
            "list" => drop(set.insert(Permission::List)),
            "download" => drop(set.insert(Permission::Read)),
            "upload" => drop(set.insert(Permission::Create)),
            "overwrite" => drop(set.insert(Permission::Overwrite)),
            "delete" => drop(set.insert(Permission::Delete)),
            "rename" => drop(set.insert(Permission::Rename)),
            "create_dirs" => drop(set.insert(Permission::Mkdir)),
            "create_symlinks" => drop(set.insert(Permission::Link)),
            // What belongs together here is given only if all of it was.
            "delete_files" | "delete_dirs" if has("delete_files") && has("delete_dirs") => {
                set.insert(Permission::Delete);
            }
            "rename_files" | "rename_dirs" if has("rename_files") && has("rename_dirs") => {
                set.insert(Permission::Rename);
            }
            "chmod" | "chtimes" if has("chmod") && has("chtimes") => {
                set.insert(Permission::Attributes);
            }
            "delete_files" | "delete_dirs" if has("delete") => {}
            "rename_files" | "rename_dirs" if has("rename") => {}
            other => left_out.push(other),
        }
    }
    let left_out = if has("*") { Vec::new() } else { left_out };
    (set.into_iter().collect(), left_out)
}

/// Returns the rules that hold in a folder at `/NAME`: that of the folder itself, and those of directories in it.
pub(super) fn rules_of_folder(rules: &PermissionRules, mount: &RulePath) -> PermissionRules {
    // What no rule decides about is decided by the user's own rules, which always have one for the root.
    let of_root = VirtualPath::parse(mount.as_str().as_bytes())
        .ok()
        .and_then(|path| {
            let (deciding, set) = rules.rule(&path);
            (!deciding.as_str().is_empty()).then(|| set.clone())
        });
    let of_root = of_root.unwrap_or_else(Permissions::all);
    let below = rules.iter().filter_map(|(path, set)| {
        let rest = path.as_str().strip_prefix(mount.as_str())?;
        let path = rest.starts_with('/').then(|| rest.parse().ok())??;
        Some((path, set.clone()))
    });
    [(RulePath::root(), of_root)].into_iter().chain(below).collect()
}

/// Returns the rules without those that hold in these folders.
pub(super) fn rules_of_home(rules: &PermissionRules, mounts: &[RulePath]) -> PermissionRules {
    let is_in_folder = |path: &RulePath| {
        let mut rests = mounts
            .iter()
            .filter_map(|mount| path.as_str().strip_prefix(mount.as_str()));
        rests.any(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let of_home = rules.iter().filter(|(path, _)| !is_in_folder(path));
    of_home.map(|(path, set)| (path.clone(), set.clone())).collect()
}
