use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::sync::entry::{EntryKind, sorted};

const RULES: Rules = Rules {
    delete: true,
    update: false,
    checksum: false,
    modes: false,
    window: 1,
};

fn entry(path: &str, kind: EntryKind, modified: u32) -> TreeEntry {
    TreeEntry {
        path: path.as_bytes().into(),
        kind,
        mode: Some(0o644),
        modified: Some(modified),
        link: None,
    }
}

fn tree(text: &str) -> Vec<TreeEntry> {
    let one = |word: &str| match word.split_once('=') {
        _ if word.ends_with('/') => entry(word.trim_end_matches('/'), EntryKind::Directory, 0),
        Some((path, "link")) => entry(path, EntryKind::Link, 0),
        Some((path, link)) if link.starts_with("->") => TreeEntry {
            link: link.get(2..).map(|link| link.as_bytes().into()),
            ..entry(path, EntryKind::Link, 0)
        },
        Some((path, "fifo")) => entry(path, EntryKind::Special, 0),
        Some((path, "out")) => entry(path, EntryKind::Excluded, 0),
        Some((path, file)) => {
            let (size, time) = file.split_once('@').unwrap();
            entry(
                path,
                EntryKind::File(size.parse().unwrap()),
                time.parse().unwrap(),
            )
        }
        None => entry(word, EntryKind::File(1), 1),
    };
    sorted(text.split_whitespace().map(one).collect())
}

/// The plan in words, a line for each name.
fn words(plan: &Plan<'_>) -> Vec<String> {
    let name = |entry: &TreeEntry| String::from_utf8_lossy(&entry.path).into_owned();
    let action = |action: &Action<'_>| format!("{:?} {}", action.change, name(action.source));
    let mut lines: Vec<String> = plan.actions.iter().map(action).collect();
    lines.extend(plan.deletes.iter().map(|entry| format!("delete {}", name(entry))));
    lines.extend(plan.after.iter().map(|one| format!("then {}", action(one))));
    lines.extend(
        plan.kept
            .iter()
            .map(|(entry, why)| format!("keep {} {why:?}", name(entry))),
    );
    lines.extend(
        plan.conflicts
            .iter()
            .map(|(ours, _)| format!("conflict {}", name(ours))),
    );
    lines.extend(plan.skipped.iter().map(|entry| format!("skip {}", name(entry))));
    lines
}

#[test]
fn each_kind_of_difference_has_its_change() {
    let without = Rules {
        delete: false,
        ..RULES
    };
    let update = Rules {
        update: true,
        ..without
    };
    let checksum = Rules {
        checksum: true,
        ..without
    };
    for (source, target, rules, expected) in [
        ("a", "", without, &["Send(New) a"][..]),
        ("d/ d/a", "", without, &["Make d", "Send(New) d/a"]),
        ("a=2@1", "a=1@1", without, &["Send(Size) a"]),
        ("a=1@5", "a=1@1", without, &["Compare a"]),
        ("a=1@2", "a=1@1", without, &[]),
        ("a", "a", checksum, &["Compare a"]),
        ("a=2@1", "a=1@5", update, &[]),
        ("a=2@5", "a=1@1", update, &["Send(Size) a"]),
        ("a", "a=link", without, &["Send(Kind) a"]),
        ("", "a d/ d/b", without, &[]),
        ("", "a d/ d/b", RULES, &["delete d/b", "delete d", "delete a"]),
        ("", "d=link", RULES, &["delete d"]),
        // Another kind is replaced only where deleting is allowed, and afterwards.
        ("d/ d/a b", "d", without, &["Send(New) b", "conflict d"]),
        (
            "d/ d/a b",
            "d",
            RULES,
            &["Send(New) b", "delete d", "then Make d", "then Send(New) d/a"],
        ),
        ("d/ d/a", "d=link", without, &["conflict d"]),
        (
            "d/ d/a",
            "d=link",
            RULES,
            &["delete d", "then Make d", "then Send(New) d/a"],
        ),
        ("d", "d/ d/a", without, &["conflict d"]),
        (
            "d",
            "d/ d/a",
            RULES,
            &["delete d/a", "delete d", "then Send(Kind) d"],
        ),
        ("d", "d=fifo", without, &["conflict d"]),
        // What the source has, but cannot be transferred, is left alone.
        ("a=link", "a/ a/b", RULES, &["skip a"]),
        ("a=fifo", "a", RULES, &["skip a"]),
        // Links that are copied as links.
        ("l=->x", "", without, &["Link l"]),
        ("l=->x", "l=->x", without, &[]),
        ("l=->x", "l=->y", without, &["Link l"]),
        ("l=->x", "l", without, &["Link l"]),
        ("l", "l=->x", without, &["Send(Kind) l"]),
        ("l=->x", "l/ l/a", without, &["conflict l"]),
        (
            "l=->x",
            "l/ l/a",
            RULES,
            &["delete l/a", "delete l", "then Link l"],
        ),
        ("l=->x", "l=fifo", RULES, &["delete l", "then Link l"]),
        ("", "l=->x", RULES, &["delete l"]),
        // Excluded names stay, and so do the directories that hold them.
        ("", "d/ d/a d/x=out", RULES, &["delete d/a", "keep d HoldsKept"]),
        ("d=out", "d/ d/a", RULES, &[]),
        ("d", "d/ d/a d/x=out", RULES, &["delete d/a", "conflict d"]),
        // Names that differ by case or normalisation stay, with all that is in them.
        (
            "readme",
            "README",
            RULES,
            &["Send(New) readme", "keep README AlmostEqual"],
        ),
        (
            "caf\u{e9}",
            "cafe\u{301}",
            RULES,
            &["Send(New) caf\u{e9}", "keep cafe\u{301} AlmostEqual"],
        ),
        (
            "d/ d/a",
            "D/ D/b e",
            RULES,
            &[
                "Make d",
                "Send(New) d/a",
                "delete e",
                "keep D AlmostEqual",
                "keep D/b AlmostEqual",
            ],
        ),
        // The part of a download may still be needed.
        (
            "a",
            "a.part b.part",
            RULES,
            &["Send(New) a", "delete b.part", "keep a.part Part"],
        ),
    ] {
        let (source, target) = (tree(source), tree(target));
        assert_eq!(
            words(&compare(&source, &target, &rules)),
            expected,
            "{source:?} {target:?}"
        );
    }
}

#[test]
fn modes_are_compared_where_they_are_kept() {
    let source = tree("a d/");
    let mut target = source.clone();
    target.iter_mut().for_each(|entry| entry.mode = Some(0o600));
    let modes = Rules { modes: true, ..RULES };
    assert_eq!(
        compare(&source, &target, &RULES),
        Plan {
            unchanged: 1,
            ..Plan::default()
        }
    );
    assert_eq!(
        words(&compare(&source, &target, &modes)),
        ["Attributes a", "Attributes d"]
    );
}

/// A modelled target: what has each name. It refuses what a file system refuses.
#[derive(Debug, Clone, PartialEq)]
struct Model(BTreeMap<Vec<u8>, (EntryKind, Option<u32>)>);

impl Model {
    fn of(entries: &[TreeEntry]) -> Self {
        Self(
            entries
                .iter()
                .map(|one| (one.path.to_vec(), (one.kind, one.modified)))
                .collect(),
        )
    }

    fn parent_is_directory(&self, path: &[u8]) -> bool {
        match path.iter().rposition(|byte| *byte == b'/') {
            None => true,
            Some(at) => matches!(self.0.get(&path[..at]), Some((EntryKind::Directory, _))),
        }
    }

    fn act(&mut self, action: &Action<'_>) {
        let TreeEntry {
            path, kind, modified, ..
        } = action.source;
        assert!(self.parent_is_directory(path), "{action:?}");
        let there = self.0.get(&**path).map(|(kind, _)| *kind);
        match action.change {
            Change::Make => assert_eq!(there, None, "{action:?}"),
            _ => assert!(
                !matches!(there, Some(EntryKind::Directory | EntryKind::Special)),
                "{action:?}"
            ),
        }
        self.0.insert(path.to_vec(), (*kind, *modified));
    }

    fn delete(&mut self, entry: &TreeEntry) {
        let removed = self.0.remove(&*entry.path);
        assert_eq!(
            removed.map(|(kind, _)| kind),
            Some(entry.kind),
            "only what is known is deleted"
        );
        let inside = self.0.keys().find(|path| is_below(path, &entry.path));
        assert_eq!(inside, None, "{entry:?} is not empty");
    }
}

/// Trees over few names, so that both sides often have the same ones, with kinds that differ.
fn any_tree(excluded: bool) -> impl Strategy<Value = Vec<TreeEntry>> {
    let name = prop::sample::select(vec!["a", "b", "A", "a!", "c"]);
    let path = prop::collection::vec(name, 1..4);
    let kind = (0..20_u8, 0..3_u64, 0..9_u32);
    prop::collection::vec((path, kind), 0..25).prop_map(move |names| {
        let mut tree: BTreeMap<String, TreeEntry> = BTreeMap::new();
        for (path, (kind, size, time)) in names {
            let kind = match kind {
                0 => EntryKind::Link,
                1 => EntryKind::Special,
                2 | 3 if excluded => EntryKind::Excluded,
                4..9 => EntryKind::Directory,
                _ => EntryKind::File(size),
            };
            // Whatever holds a name is a directory.
            for end in 1..path.len() {
                let above = path[..end].join("/");
                tree.insert(above.clone(), entry(&above, EntryKind::Directory, 1));
            }
            let path = path.join("/");
            let holds = tree
                .keys()
                .any(|other| is_below(other.as_bytes(), path.as_bytes()));
            if !holds {
                tree.insert(path.clone(), entry(&path, kind, time));
            }
        }
        sorted(tree.into_values().collect())
    })
}

proptest! {
    /// Whatever the two trees are: the plan can be carried out in its order, the target then has all that the source
    /// has, and the rest of it was either deleted or protected.
    #[test]
    fn applying_a_plan_makes_the_target_like_the_source(
        source in any_tree(true),
        target in any_tree(true),
        delete in any::<bool>(),
    ) {
        let rules = Rules { delete, ..RULES };
        let plan = compare(&source, &target, &rules);
        let before = Model::of(&target);
        let mut model = before.clone();
        plan.actions.iter().for_each(|action| model.act(action));
        plan.deletes.iter().for_each(|entry| model.delete(entry));
        plan.after.iter().for_each(|action| model.act(action));
        prop_assert!(delete || plan.deletes.is_empty() && plan.after.is_empty());

        let untouched = |path: &[u8]| {
            let at_or_below = |top: &TreeEntry| *top.path == *path || is_below(path, &top.path);
            let excluded = |one: &TreeEntry| one.kind == EntryKind::Excluded && at_or_below(one);
            source.iter().chain(&target).any(excluded)
                || plan.skipped.iter().any(|one| at_or_below(one))
                || plan.conflicts.iter().any(|(one, _)| at_or_below(one))
        };
        for ours in source.iter().filter(|ours| !untouched(&ours.path)) {
            let there = model.0.get(&*ours.path);
            let same = there.is_some_and(|(kind, time)| {
                *kind == ours.kind && (*kind == EntryKind::Directory || rules.same_time(*time, ours.modified))
            });
            prop_assert!(same, "{ours:?} {there:?} {plan:?}");
        }
        for (path, was) in &before.0 {
            let is_excluded = target.iter().any(|one| *one.path == **path && one.kind == EntryKind::Excluded);
            if is_excluded || (untouched(path) && !plan.deletes.iter().any(|one| *one.path == **path)) {
                prop_assert_eq!(model.0.get(path), Some(was));
            }
            let in_source = source.iter().any(|ours| *ours.path == **path);
            let kept = plan.kept.iter().any(|(one, _)| *one.path == **path);
            if !in_source && !untouched(path) {
                prop_assert_eq!(model.0.contains_key(path), !delete || kept, "{:?} {:?}", path, plan);
            }
            let almost = source.iter().any(|ours| *ours.path != **path && folded(&ours.path) == folded(path));
            if almost && !in_source {
                prop_assert!(model.0.contains_key(path), "{path:?} {plan:?}");
            }
        }
    }

    /// A second run finds nothing to do.
    #[test]
    fn after_a_plan_nothing_is_left_to_do(source in any_tree(false), target in any_tree(false)) {
        let plan = compare(&source, &target, &RULES);
        let mut model = Model::of(&target);
        plan.actions.iter().for_each(|action| model.act(action));
        plan.deletes.iter().for_each(|entry| model.delete(entry));
        plan.after.iter().for_each(|action| model.act(action));
        let entries = model.0.into_iter().map(|(path, (kind, modified))| TreeEntry {
            path: path.into(),
            kind,
            mode: Some(0o644),
            modified,
            link: None,
        });
        let now = sorted(entries.collect());
        let again = compare(&source, &now, &RULES);
        prop_assert!(again.actions.is_empty() && again.deletes.is_empty() && again.after.is_empty(), "{again:?}");
    }
}
