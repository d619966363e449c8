//! Judges what a user has learned by a step, why a step was refused, and which steps may not fail.

use super::disk::TreeEntry;
use super::judge::{Judge, Judgement, beginning, ensure};
use super::rights::Spot;
use super::steps::{AfterOpen, SeenByUser, TreeStep};
use crate::domain::permission::Permission;
use crate::storage::{Error, Metadata};

/// Checks that a user may see what a step has shown.
pub(super) fn sight_is_allowed(judge: &Judge<'_>, seen: &SeenByUser) -> Judgement {
    let spot = &judge.spots[0];
    match seen {
        SeenByUser::Nothing => Ok(()),
        SeenByUser::Content(content) => {
            ensure(
                judge.may(spot, Permission::Read),
                "a file was read without the permission",
            )?;
            let shows = |found: &TreeEntry| found.kind == 'f' && beginning(&found.content) == content;
            ensure(is_sight_of(judge, spot, &shows), "another content was read")
        }
        SeenByUser::Target(target) => {
            ensure(
                judge.may(spot, Permission::List),
                "a link was read without the permission",
            )?;
            let shows = |found: &TreeEntry| found.kind == 'l' && found.content == *target;
            let is_shown = match spot.through_link {
                true => judge.before.of(spot.storage).any(|(_, found)| shows(found)),
                false => judge.found_before(spot).is_some_and(shows),
            };
            ensure(is_shown, "another link was read")
        }
        SeenByUser::Names(names) => {
            ensure(
                judge.may(spot, Permission::List),
                "a directory was listed without the permission",
            )?;
            names_are_those_that_are_shown(judge, names)
        }
        SeenByUser::Attributes(meta) => attributes_are_those_of_the_path(judge, meta),
        SeenByUser::RealPath(real) => {
            let path = judge.step.paths()[0];
            let leads_to = judge.user.spot(judge.before, real).storage;
            ensure(leads_to == spot.storage, "a path leads to another storage")?;
            let hides_links = !judge.may(spot, Permission::List) && !path.contains("..");
            let is_plain = !spot.meets_link() || hides_links;
            ensure(!is_plain || *real == judge.user.shown(spot), "a path was changed")
        }
    }
}

/// Whether something was seen that the path names, or, if the path meets a link, something of the same storage.
fn is_sight_of(judge: &Judge<'_>, spot: &Spot, shows: &dyn Fn(&TreeEntry) -> bool) -> bool {
    match spot.meets_link() {
        true => judge.after.of(spot.storage).any(|(_, found)| shows(found)),
        false => judge.after.get(spot.storage, &spot.name).is_some_and(shows),
    }
}

fn attributes_are_those_of_the_path(judge: &Judge<'_>, meta: &Metadata) -> Judgement {
    let spot = &judge.spots[0];
    if spot.is_folder_itself {
        return ensure(meta.inode.device == u64::MAX, "a folder shows what its disk says");
    }
    let shows = |found: &TreeEntry| found.inode == meta.inode.number;
    let is_link_itself = spot.is_link && !spot.through_link && !judge.follows();
    let is_shown = match is_link_itself {
        true => judge.found_before(spot).is_some_and(shows),
        false => is_sight_of(judge, spot, &shows),
    };
    ensure(is_shown, "the attributes of something else were shown")
}

fn names_are_those_that_are_shown(judge: &Judge<'_>, names: &[String]) -> Judgement {
    let spot = &judge.spots[0];
    let names_in = |directory: &str| sorted(judge.before.names_in(spot.storage, directory));
    if spot.meets_link() {
        let here = judge.before.of(spot.storage);
        let mut directories = here.filter(|(_, found)| found.kind == 'd');
        let is_one = directories.any(|(directory, _)| names_in(directory) == names);
        return ensure(is_one, "what was listed is not a directory of this storage");
    }
    let mut expected = names_in(&spot.name);
    let directory = spot.name.trim_end_matches('/');
    expected.retain(|name| !judge.rights(spot).is_hidden(&format!("{directory}/{name}")));
    if spot.storage == judge.user.home && spot.name == "/" {
        expected.retain(|name| !judge.user.folders.contains_key(name));
        expected.extend(judge.user.folders.keys().cloned());
    }
    ensure(sorted(expected) == names, "other names were listed")
}

/// Checks that a refusal that names its reason is right about it.
pub(super) fn refusal_has_its_reason(judge: &Judge<'_>, error: Error) -> Judgement {
    let any =
        |holds: &dyn Fn(&Spot) -> bool| judge.spots.iter().any(|spot| spot.up_behind_link || holds(spot));
    let differ = |pair: &dyn Fn(&Spot, &Spot) -> bool| match judge.spots.as_slice() {
        [from, to] => from.up_behind_link || to.up_behind_link || pair(from, to),
        _ => false,
    };
    match error {
        Error::Forbidden(name) => {
            let permission = name.parse().unwrap();
            ensure(
                any(&|spot| !judge.may(spot, permission)),
                "a permission that the user has was missed",
            )
        }
        Error::IsFolder => ensure(any(&|spot| spot.is_folder_itself), "this is not a folder"),
        Error::FixedDirectory => ensure(any(&|spot| judge.is_fixed(spot)), "no rule begins there"),
        Error::CrossesFolders => ensure(
            differ(&|from, to| from.storage != to.storage),
            "both names are in one storage",
        ),
        Error::BetweenZones | Error::LinkBetweenZones => ensure(
            differ(&|from, to| judge.rights(from).rule(&from.name) != judge.rights(to).rule(&to.name)),
            "both names are in one zone",
        ),
        Error::Ended
        | Error::WouldBlock
        | Error::FolderMissing
        | Error::FolderUnavailable
        | Error::NotOwned
        | Error::Reserved
        | Error::HasUploads
        | Error::OverBytes { .. }
        | Error::OverFiles { .. } => Err("there is no reason to refuse that".to_owned()),
        _ => Ok(()),
    }
}

/// Whether a step is so plain that nothing but a missing permission can make it fail.
pub(super) fn has_to_succeed(judge: &Judge<'_>) -> bool {
    let is_plain = |spot: &Spot| !spot.meets_link() && !spot.is_folder_itself && spot.name != "/";
    let mut paths = judge.step.paths().into_iter();
    if paths.any(|path| path.contains("..")) || !judge.spots.iter().all(is_plain) {
        return false;
    }
    let (first, last) = (&judge.spots[0], &judge.spots[judge.spots.len() - 1]);
    let is = |kind: char| judge.found_before(first).is_some_and(|found| found.kind == kind);
    let may = |permission| judge.may(first, permission);
    match judge.step {
        TreeStep::Open(_, "r", AfterOpen::Read) => is('f') && may(Permission::Read),
        TreeStep::Open(_, "wct", AfterOpen::Write) => can_be_made(judge, first),
        TreeStep::Copy(..) => is('f') && may(Permission::Read) && can_be_made(judge, last),
        TreeStep::List(_) => is('d') && may(Permission::List),
        TreeStep::Mkdir(_) => is_free(judge, first) && may(Permission::Mkdir),
        TreeStep::Remove(_) => is('f') && may(Permission::Delete) && !judge.is_fixed(first),
        TreeStep::Rename(_, _, false) => {
            let rule = |spot: &Spot| judge.rights(spot).rule(&spot.name).1.clone();
            let is_same = first.storage == last.storage && rule(first) == rule(last);
            let stays = judge.is_fixed(first) || judge.is_fixed(last);
            is_same && !stays && is('f') && is_free(judge, last) && may(Permission::Rename)
        }
        _ => false,
    }
}

/// Whether nothing has this name, in a directory that exists.
fn is_free(judge: &Judge<'_>, spot: &Spot) -> bool {
    let above = match spot.name.rsplit_once('/') {
        Some((above, _)) if !above.is_empty() => above,
        _ => "/",
    };
    let parent = judge.before.get(spot.storage, above);
    judge.found_before(spot).is_none() && parent.is_some_and(|parent| parent.kind == 'd')
}

fn can_be_made(judge: &Judge<'_>, spot: &Spot) -> bool {
    is_free(judge, spot) && judge.may(spot, Permission::Create) && !judge.is_fixed(spot)
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}
