//! Moves that are interrupted after each step, and what the next attempt makes of them.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::record::{DirectoryId, MoveRecord};
use super::steps::{HomePaths, moving};

/// A home with one file, and the paths of a move.
struct MovedPlace {
    dir: tempfile::TempDir,
    paths: HomePaths,
}

impl MovedPlace {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("old/home"), dir.path().join("new/home"));
        std::fs::create_dir_all(&from).unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        std::fs::write(from.join("file"), "x").unwrap();
        let data_dir = dir.path().join("data");
        Self {
            dir,
            paths: HomePaths { from, to, data_dir },
        }
    }

    /// The recorded path, the old one, leads to the files.
    fn assert_usable(&self, what: &str) {
        assert_eq!(
            std::fs::read(self.paths.from.join("file")).unwrap(),
            b"x",
            "{what}"
        );
    }

    fn record(&self) -> Option<MoveRecord> {
        MoveRecord::find(&self.paths.data_dir, &self.paths.to).unwrap()
    }

    /// Does what a command does until the new path is stored.
    fn attempt(&self) -> MoveRecord {
        let paths = &self.paths;
        let interrupted = self.record();
        match interrupted {
            Some(record) if paths.is_renamed(&record).unwrap() => {
                paths.restore_link().unwrap();
                record
            }
            other => {
                let record = paths.begin(other.as_ref()).unwrap();
                assert!(paths.rename().unwrap());
                record
            }
        }
    }

    /// Finishes a move by rename, and checks that nothing else is left.
    fn finish(&self, what: &str) {
        let record = self.attempt();
        self.assert_usable(what);
        assert_eq!(std::fs::read(self.paths.to.join("file")).unwrap(), b"x", "{what}");
        self.paths.remove_original(&record).unwrap();
        assert_eq!(
            names(&self.dir.path().join("old")),
            Vec::<String>::new(),
            "{what}"
        );
        assert_eq!(names(&self.dir.path().join("new")), ["home"], "{what}");
        assert_eq!(names(&self.dir.path().join("data/moves")), Vec::<String>::new());
        assert!(self.paths.to.symlink_metadata().unwrap().is_dir(), "{what}");
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = dir.read_dir().unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_rename_that_is_interrupted_anywhere_is_finished() {
    let check = |what: &str, interrupt: &dyn Fn(&HomePaths)| {
        let place = MovedPlace::new();
        interrupt(&place.paths);
        place.finish(what);
    };
    check("at the beginning", &|_| {});
    check("after the record", &|paths| drop(paths.begin(None).unwrap()));
    check("after the link", &|paths| {
        paths.begin(None).unwrap();
        symlink(&paths.to, &paths.to).unwrap();
    });
    check("after both have changed places", &|paths| {
        paths.begin(None).unwrap();
        assert!(paths.rename().unwrap());
    });
    // The rest happens on file systems that cannot do it in one step.
    check("after the rename", &|paths| {
        paths.begin(None).unwrap();
        std::fs::rename(&paths.from, &paths.to).unwrap();
    });
    check("after a sign-in has made a new home", &|paths| {
        paths.begin(None).unwrap();
        std::fs::rename(&paths.from, &paths.to).unwrap();
        std::fs::create_dir(&paths.from).unwrap();
    });
}

#[test]
fn nothing_that_came_meanwhile_is_deleted() {
    let MovedPlace { dir: _dir, paths } = MovedPlace::new();
    paths.begin(None).unwrap();
    std::fs::rename(&paths.from, &paths.to).unwrap();
    std::fs::create_dir(&paths.from).unwrap();
    std::fs::write(paths.from.join("new"), "y").unwrap();
    let error = paths.restore_link().unwrap_err().to_string();
    assert!(
        error.contains("move those in") && error.contains("away"),
        "{error}"
    );
    assert_eq!(std::fs::read(paths.from.join("new")).unwrap(), b"y");
}

#[test]
fn a_copy_that_is_interrupted_is_made_again() {
    let check = |what: &str, interrupt: &dyn Fn(&HomePaths, &mut MoveRecord)| {
        let place = MovedPlace::new();
        let paths = &place.paths;
        let mut record = paths.begin(None).unwrap();
        interrupt(paths, &mut record);
        // The user has written a file since.
        std::fs::write(paths.from.join("later"), "z").unwrap();
        place.assert_usable(what);

        let mut record = paths.begin(place.record().as_ref()).unwrap();
        let copied = paths.copy(&mut record).unwrap();
        assert_eq!((copied.bytes, copied.files), (2, 2), "{what}");
        place.assert_usable(what);
        assert_eq!(std::fs::read(paths.to.join("later")).unwrap(), b"z", "{what}");
        paths.remove_original(&record).unwrap();
        assert_eq!(names(&place.dir.path().join("new")), ["home"], "{what}");
        assert_eq!(
            names(&place.dir.path().join("old")),
            Vec::<String>::new(),
            "{what}"
        );
        assert_eq!(place.record(), None);
    };
    check("before the copy has a record", &|paths, _| {
        std::fs::create_dir(moving(&paths.to)).unwrap();
    });
    check("in the middle of the copy", &|paths, record| {
        let moving = moving(&paths.to);
        std::fs::create_dir(&moving).unwrap();
        record.copy = DirectoryId::of(&moving).unwrap();
        record.write(&paths.data_dir).unwrap();
        std::fs::write(moving.join("half"), "x").unwrap();
    });
    check("before the new path is stored", &|paths, record| {
        paths.copy(record).unwrap();
    });
}

#[test]
fn an_original_that_was_not_deleted_is_deleted_later() {
    let place = MovedPlace::new();
    let paths = &place.paths;
    let mut record = paths.begin(None).unwrap();
    paths.copy(&mut record).unwrap();
    // The new path is stored, and the command is interrupted. Another directory has the old name by now.
    let aside = paths.from.with_file_name("aside");
    std::fs::rename(&paths.from, &aside).unwrap();
    std::fs::create_dir(&paths.from).unwrap();
    paths.remove_original(&place.record().unwrap()).unwrap();
    assert!(paths.from.exists(), "it is not the home that was copied");
    std::fs::remove_dir(&paths.from).unwrap();
    std::fs::rename(&aside, &paths.from).unwrap();
    record.write(&paths.data_dir).unwrap();
    paths.remove_original(&place.record().unwrap()).unwrap();
    assert!(!paths.from.exists() && paths.to.join("file").exists());
}

#[test]
fn a_target_with_files_is_refused() {
    let place = MovedPlace::new();
    std::fs::create_dir_all(&place.paths.to).unwrap();
    std::fs::write(place.paths.to.join("theirs"), "x").unwrap();
    let error = place.paths.begin(None).unwrap_err();
    assert!(error.to_string().contains("exists and is not empty"), "{error}");
    assert_eq!(error.exit_code(), 4);
    // The copy of another move is not ours to delete either.
    let stranger = MoveRecord {
        from: place.paths.from.clone(),
        to: place.paths.to.clone(),
        home: DirectoryId::of(&place.paths.from).unwrap().unwrap(),
        copy: DirectoryId::of(place.dir.path()).unwrap(),
    };
    assert!(place.paths.begin(Some(&stranger)).is_err());
    assert!(place.paths.to.join("theirs").exists());
    place.assert_usable("refused");
}
