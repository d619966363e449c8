//! Judges what a step has done: by the model, and by what lies on the disk before and after.

use std::collections::BTreeSet;

use super::disk::{NamedPlace, TreeChanges, TreeEntry, Trees};
use super::rights::{Rights, Spot, UserModel, is_at_or_below};
use super::sight::{has_to_succeed, refusal_has_its_reason, sight_is_allowed};
use super::steps::{AfterOpen, SeenByUser, TreeStep};
use crate::domain::permission::Permission;
use crate::storage::Result;

/// What is wrong with what a step has done.
pub(super) type Judgement = std::result::Result<(), String>;

pub(super) fn ensure(holds: bool, complaint: &str) -> Judgement {
    match holds {
        true => Ok(()),
        false => Err(complaint.to_owned()),
    }
}

/// A step, and what it has done.
pub(super) struct Judge<'a> {
    pub(super) user: &'a UserModel,
    pub(super) step: &'a TreeStep,
    /// Where the paths of the step led before it.
    pub(super) spots: Vec<Spot>,
    pub(super) before: &'a Trees,
    pub(super) after: &'a Trees,
    pub(super) changes: &'a TreeChanges,
    pub(super) done: &'a Result<SeenByUser>,
}

impl Judge<'_> {
    pub(super) fn check(&self) -> Judgement {
        self.changes_are_where_the_paths_lead()?;
        self.zones_follow_no_links_and_hide_names()?;
        let is_folder = |(storage, name): &NamedPlace| *storage != self.user.home && name == "/";
        ensure(!self.changes.all().any(is_folder), "a folder itself was changed")?;
        if let Err(error) = self.done {
            refusal_has_its_reason(self, *error)?;
        }
        self.effects_are_allowed()?;
        if let Ok(seen) = self.done {
            sight_is_allowed(self, seen)?;
        }
        let is_idle = self.changes.is_empty();
        ensure(
            self.done.is_ok() || is_idle || !self.step.is_whole(),
            "a failure has an effect",
        )?;
        ensure(
            self.done.is_ok() || !has_to_succeed(self),
            "what is allowed was refused",
        )
    }

    pub(super) fn rights(&self, spot: &Spot) -> &Rights {
        self.user
            .rights(spot.storage)
            .expect("a path leads to a storage of the user")
    }

    fn has_zones(&self, spot: &Spot) -> bool {
        self.rights(spot).have_zones()
    }

    pub(super) fn may(&self, spot: &Spot, permission: Permission) -> bool {
        self.rights(spot).may(&spot.name, permission)
    }

    pub(super) fn is_fixed(&self, spot: &Spot) -> bool {
        self.rights(spot).is_fixed(&spot.name)
    }

    pub(super) fn found_before(&self, spot: &Spot) -> Option<&TreeEntry> {
        self.before.get(spot.storage, &spot.name)
    }

    fn found_after(&self, (storage, name): &NamedPlace) -> Option<&TreeEntry> {
        self.after.get(*storage, name)
    }

    fn changes_are_where_the_paths_lead(&self) -> Judgement {
        let changed = &self.spots[self.spots.len() - 1];
        let is_inside = |(storage, name): &NamedPlace| {
            let is_named = || {
                let mut spots = self.spots.iter();
                spots.any(|spot| is_at_or_below(name, &spot.name))
            };
            let is_altered = |altered: &[NamedPlace]| altered.iter().any(|(_, other)| other == name);
            // Another name of the same file may lie elsewhere in the storage.
            let by_inode = is_altered(&self.changes.rewritten) || is_altered(&self.changes.chmodded);
            *storage == changed.storage && (!self.has_zones(changed) || by_inode || is_named())
        };
        ensure(self.changes.all().all(is_inside), "something else was changed")
    }

    /// Whether the step follows a link that its path names.
    pub(super) fn follows(&self) -> bool {
        match self.step {
            TreeStep::Open(..) | TreeStep::List(_) | TreeStep::Resize(..) | TreeStep::Copy(..) => true,
            TreeStep::Stat(_, follow) | TreeStep::Chmod(_, _, follow) => *follow,
            TreeStep::RealPath(_)
            | TreeStep::ReadLink(_)
            | TreeStep::Remove(_)
            | TreeStep::Mkdir(_)
            | TreeStep::Rmdir(_)
            | TreeStep::Rename(..)
            | TreeStep::Symlink(..)
            | TreeStep::HardLink(..) => false,
        }
    }

    fn zones_follow_no_links_and_hide_names(&self) -> Judgement {
        if matches!(self.step, TreeStep::RealPath(_)) {
            return Ok(());
        }
        let failed = self.done.is_err() && self.changes.is_empty();
        for spot in self.spots.iter().filter(|spot| self.has_zones(spot)) {
            let follows = spot.through_link || spot.is_link && self.follows();
            ensure(failed || !follows, "a link was followed in a zone")?;
            let is_hidden = !spot.through_link && self.rights(spot).is_hidden(&spot.name);
            ensure(failed || !is_hidden, "a hidden name was found")?;
        }
        Ok(())
    }

    fn effects_are_allowed(&self) -> Judgement {
        match self.step {
            TreeStep::Open(_, flags, after) => self.is_written(&self.spots[0], flags, *after),
            TreeStep::Copy(..) => self.is_copied(),
            TreeStep::List(_) | TreeStep::Stat(..) | TreeStep::RealPath(_) | TreeStep::ReadLink(_) => {
                ensure(self.changes.is_empty(), "looking has changed something")
            }
            TreeStep::Remove(_) => self.is_removed("fl"),
            TreeStep::Rmdir(_) => self.is_removed("d"),
            TreeStep::Mkdir(_) => self.is_made('d', Permission::Mkdir),
            TreeStep::Symlink(..) => {
                let spot = &self.spots[0];
                let is_lawful = self.changes.is_empty() || !self.is_fixed(spot);
                ensure(is_lawful, "a link took the place of a directory that has a rule")?;
                self.is_made('l', Permission::Link)
            }
            TreeStep::HardLink(..) => self.is_linked(),
            TreeStep::Rename(..) => self.is_renamed(),
            TreeStep::Resize(..) => {
                ensure(self.changes.chmodded.is_empty(), "a mode was changed")?;
                self.is_altered(&self.changes.rewritten, Permission::Overwrite)
            }
            TreeStep::Chmod(..) => {
                ensure(self.changes.rewritten.is_empty(), "a content was changed")?;
                self.is_altered(&self.changes.chmodded, Permission::Attributes)
            }
        }
    }

    fn no_names_changed(&self) -> Judgement {
        let (gone, made) = (&self.changes.gone, &self.changes.made);
        ensure(gone.is_empty() && made.is_empty(), "names were changed")
    }

    fn no_files_changed(&self) -> Judgement {
        let (rewritten, chmodded) = (&self.changes.rewritten, &self.changes.chmodded);
        ensure(rewritten.is_empty() && chmodded.is_empty(), "files were changed")
    }

    /// Checks that one file at most was changed, under whichever names, and that this was allowed.
    fn is_one_inode(&self, altered: &[NamedPlace], spot: &Spot, permission: Permission) -> Judgement {
        if altered.is_empty() {
            return Ok(());
        }
        let inodes = altered.iter().filter_map(|place| self.found_after(place));
        let inodes: BTreeSet<u64> = inodes.map(|found| found.inode).collect();
        ensure(inodes.len() == 1, "several files were changed")?;
        ensure(
            self.may(spot, permission),
            "a file was changed without the permission",
        )?;
        let named = self.found_before(spot).map(|found| found.inode);
        let is_named = spot.meets_link() || named.is_some_and(|inode| inodes.contains(&inode));
        ensure(is_named, "another file was changed")
    }

    fn is_altered(&self, altered: &[NamedPlace], permission: Permission) -> Judgement {
        self.no_names_changed()?;
        self.is_one_inode(altered, &self.spots[0], permission)
    }

    fn is_written(&self, spot: &Spot, flags: &str, after: AfterOpen) -> Judgement {
        ensure(self.changes.gone.is_empty(), "a name is gone")?;
        ensure(self.changes.made.len() <= 1, "several files were made")?;
        for place in &self.changes.made {
            let is_file = self.found_after(place).is_some_and(|found| found.kind == 'f');
            ensure(is_file && flags.contains('c'), "this should not be made")?;
            ensure(
                self.may(spot, Permission::Create),
                "a file was made without the permission",
            )?;
            let is_named = spot.meets_link() || place.1 == spot.name;
            ensure(is_named, "another file was made")?;
        }
        let writes = flags.contains(['w', 't']) || after == AfterOpen::Cut;
        ensure(
            writes || self.changes.rewritten.is_empty(),
            "a file was changed by a reader",
        )?;
        let changes_mode = after == AfterOpen::Chmod || self.changes.chmodded.is_empty();
        ensure(changes_mode, "a mode was changed")?;
        self.is_one_inode(&self.changes.rewritten, spot, Permission::Overwrite)?;
        self.is_one_inode(&self.changes.chmodded, spot, Permission::Attributes)?;
        let was_possible = match after {
            _ if self.done.is_err() => true,
            AfterOpen::Nothing => true,
            AfterOpen::Read => flags.contains('r'),
            AfterOpen::Write => flags.contains('w'),
            AfterOpen::Cut => !self.changes.made.is_empty() || self.may(spot, Permission::Overwrite),
            AfterOpen::Chmod => self.may(spot, Permission::Attributes) && !spot.is_folder_itself,
        };
        ensure(was_possible, "the handle did more than it was opened for")
    }

    fn is_copied(&self) -> Judgement {
        let [from, to] = self.spots.as_slice() else {
            return Err("a copy has two paths".to_owned());
        };
        self.is_written(to, "wct", AfterOpen::Nothing)?;
        if self.done.is_err() {
            return Ok(());
        }
        ensure(
            self.may(from, Permission::Read),
            "a copy was made without reading",
        )?;
        if from.meets_link() || to.meets_link() {
            return Ok(());
        }
        let (source, target) = (self.found_before(from), self.after.get(to.storage, &to.name));
        let (Some(source), Some(target)) = (source, target) else {
            return Err("a copy was made of nothing".to_owned());
        };
        let is_equal = source.inode == target.inode || beginning(&source.content) == target.content;
        ensure(is_equal, "the copy is another one")
    }

    fn is_removed(&self, kinds: &str) -> Judgement {
        let spot = &self.spots[0];
        self.no_files_changed()?;
        ensure(self.changes.made.is_empty(), "a name was made")?;
        ensure(self.changes.gone.len() <= 1, "several names are gone")?;
        for (storage, name) in &self.changes.gone {
            let kind = self.before.get(*storage, name).map(|found| found.kind);
            ensure(
                kind.is_some_and(|kind| kinds.contains(kind)),
                "something else was removed",
            )?;
            ensure(
                self.may(spot, Permission::Delete),
                "a name was removed without the permission",
            )?;
            ensure(
                spot.through_link || *name == spot.name,
                "another name was removed",
            )?;
            ensure(!self.is_fixed(spot), "a directory that has a rule was removed")?;
        }
        Ok(())
    }

    fn is_made(&self, kind: char, permission: Permission) -> Judgement {
        let spot = &self.spots[0];
        self.no_files_changed()?;
        ensure(self.changes.gone.is_empty(), "a name is gone")?;
        ensure(self.changes.made.len() <= 1, "several names were made")?;
        for place in &self.changes.made {
            let found = self.found_after(place).map(|found| found.kind);
            ensure(found == Some(kind), "something else was made")?;
            ensure(
                self.may(spot, permission),
                "a name was made without the permission",
            )?;
            ensure(spot.through_link || place.1 == spot.name, "another name was made")?;
        }
        Ok(())
    }

    fn is_linked(&self) -> Judgement {
        let (from, to) = (&self.spots[0], &self.spots[1]);
        self.no_files_changed()?;
        ensure(self.changes.gone.is_empty(), "a name is gone")?;
        ensure(self.changes.made.len() <= 1, "several names were made")?;
        for place in &self.changes.made {
            let inode = self.found_after(place).map(|found| found.inode);
            let mut old = self.before.of(from.storage);
            let is_old = old.any(|(_, old)| Some(old.inode) == inode && old.kind != 'd');
            ensure(is_old, "the name is not one of a file in the same storage")?;
            ensure(
                self.may(to, Permission::Link),
                "a link was made without the permission",
            )?;
            ensure(to.through_link || place.1 == to.name, "another name was made")?;
            let named = self.found_before(from).map(|found| found.inode);
            ensure(
                from.through_link || named == inode,
                "the name is one of another file",
            )?;
            if self.has_zones(to) {
                let rule = |spot: &Spot| self.rights(spot).rule(&spot.name).0.to_owned();
                ensure(rule(from) == rule(to), "a link leads to another zone")?;
                ensure(
                    !self.is_fixed(to),
                    "a link took the place of a directory that has a rule",
                )?;
            }
        }
        Ok(())
    }

    fn is_renamed(&self) -> Judgement {
        if self.changes.is_empty() {
            return Ok(());
        }
        let (from, to) = (&self.spots[0], &self.spots[1]);
        self.no_files_changed()?;
        ensure(from.storage == to.storage, "a file has left its storage")?;
        let made = self
            .changes
            .made
            .iter()
            .filter_map(|place| self.found_after(place));
        let old: BTreeSet<u64> = self.before.of(from.storage).map(|(_, old)| old.inode).collect();
        ensure(
            made.map(|new| new.inode).all(|inode| old.contains(&inode)),
            "something new was made",
        )?;
        let replaces = self
            .changes
            .made
            .iter()
            .any(|place| self.changes.gone.contains(place));
        ensure(
            !replaces || self.may(to, Permission::Overwrite),
            "a file was replaced without the permission",
        )?;
        ensure(
            !self.is_fixed(from) && !self.is_fixed(to),
            "a directory that has a rule was moved",
        )?;
        let (source, target) = (self.rights(from).rule(&from.name), self.rights(to).rule(&to.name));
        if source.1 == target.1 {
            return ensure(
                self.may(from, Permission::Rename),
                "a name was changed without the permission",
            );
        }
        let Some(moved) = self.found_before(from).filter(|moved| moved.kind == 'f') else {
            return Err("something else than a file went to another zone".to_owned());
        };
        let names = self
            .before
            .of(from.storage)
            .filter(|(_, other)| other.inode == moved.inode);
        ensure(
            names.count() == 1,
            "a file with several names went to another zone",
        )?;
        let may_leave = self.may(from, Permission::Read) && self.may(from, Permission::Delete);
        ensure(
            may_leave && self.may(to, Permission::Create),
            "a file went to another zone without permission",
        )
    }
}

/// Returns as much of a content as a step reads.
pub(super) fn beginning(content: &[u8]) -> &[u8] {
    &content[..content.len().min(100)]
}
