//! What people type who know ssh, sftp, scp, rsync or lftp and we do not have, with what we have instead.

/// Commands of other programs. For each, what does the same here.
const COMMANDS: &[(&[&str], &str)] = &[
    (
        &["scp", "copy"],
        "put sends files to a server, and get fetches them",
    ),
    (
        &["upload", "mput", "reput", "send"],
        "put sends files to a server",
    ),
    (
        &["download", "mget", "reget", "fetch", "pget", "recv"],
        "get fetches files from a server",
    ),
    (
        &["rsync", "mirror"],
        "sync makes a directory like another, and put and get with -r copy one",
    ),
    (
        &["dir", "ll", "list", "vdir"],
        "ls lists directories, and ls -l says more",
    ),
    (
        &["delete", "del", "remove", "remov", "unlink", "erase"],
        "rm removes files, and rm -r directories",
    ),
    (&["rename", "ren", "move"], "mv renames files"),
    (&["symlink"], "ln -s makes symbolic links"),
    (&["md5sum", "md5", "sha256sum", "checksum"], "sum shows hashes"),
    (&["diff", "compare", "cmp"], "check compares two directories"),
    (&["quota", "statvfs"], "df shows how much room is used"),
    (&["head", "more", "view"], "less shows a file, and cat prints it"),
    (
        &["vi", "vim", "nano"],
        "edit edits a file with the editor of this machine",
    ),
    (
        &["chown", "chgrp"],
        "owners and groups are left to the server; chmod changes permissions",
    ),
    (
        &["sftp", "ssh", "open", "connect", "login"],
        "homeport [USER@]HOST opens a shell on a server",
    ),
    (
        &["prompt", "progress", "bin", "binary", "ascii", "hash"],
        "it is not needed: files are sent as they are, and progress is shown in a terminal",
    ),
    (
        &["lumask", "umask"],
        "the mode of a new file is that of the file which is sent; chmod changes it",
    ),
];

/// The verbs that transfer files.
const TRANSFERS: &[&str] = &["get", "put"];
/// The verb that makes a directory like another.
const TREES: &[&str] = &["sync"];
/// The verbs that transfer files, and the one that makes a directory like another.
const MOVERS: &[&str] = &["get", "put", "sync"];
/// All verbs, and the command line without one.
const ALL: &[&str] = &[];

/// Options of other programs. For each, the verbs for which it is meant, and what does the same here. The first row
/// that fits counts.
const OPTIONS: &[(&[&str], &[&str], &str)] = &[
    (
        TREES,
        &["-a", "--archive", "-t", "--times"],
        "times are always kept; -p keeps permissions, and --links copies links as links",
    ),
    (
        TREES,
        &["-r", "--recursive", "-R"],
        "directories always take part with all that is in them",
    ),
    (TREES, &["-l"], "--links copies links as links"),
    (
        TREES,
        &["-L", "--copy-links"],
        "--follow follows links to directories",
    ),
    (
        TREES,
        &[
            "--del",
            "--delete-after",
            "--delete-before",
            "--delete-during",
            "--delete-delay",
        ],
        "--delete deletes, after everything else has succeeded",
    ),
    (
        TREES,
        &["-b", "--backup"],
        "--backup-dir DIR keeps what is replaced or deleted",
    ),
    (
        TREES,
        &["--size-only", "--ignore-times", "-I"],
        "--checksum compares contents",
    ),
    (
        TRANSFERS,
        &[
            "-a",
            "-c",
            "--continue",
            "--partial",
            "--append",
            "--append-verify",
        ],
        "what has arrived of a file is always kept, and completed by the same command",
    ),
    (
        TRANSFERS,
        &["-f", "--fsync"],
        "what has arrived is always verified by its hash",
    ),
    (
        TRANSFERS,
        &["-n", "--no-clobber", "--ignore-existing"],
        "--skip leaves files that exist",
    ),
    (
        TRANSFERS,
        &["--delete", "--exclude", "--include", "--dry-run"],
        "sync has this option",
    ),
    // rsync's -l stands further up.
    (
        MOVERS,
        &["-l", "--bwlimit", "--limit"],
        "--limit-rate SIZE limits the bytes per second",
    ),
    (
        &["tail"],
        &["-1", "-2", "-3", "-4", "-5", "-6", "-7", "-8", "-9"],
        "-n NUMBER says how many lines",
    ),
    (
        ALL,
        &["--progress", "--stats", "-h", "--human-readable"],
        "progress is shown in a terminal, and --help shows help",
    ),
    (
        ALL,
        &["-z", "--compress", "-C"],
        "nothing is compressed; leave it out",
    ),
    (
        ALL,
        &["-e", "--rsh", "-S"],
        "-P, -i, -J and -o say how to connect, and --ssh=PROGRAM has another program connect",
    ),
    (ALL, &["-p"], "-P sets the port"),
    (
        ALL,
        &["-l", "-u", "--user"],
        "the user stands before the host: USER@HOST",
    ),
    (
        ALL,
        &["--password", "--pass", "-pw"],
        "--password-stdin reads a password; an argument could be read by others",
    ),
    (
        ALL,
        &["-b"],
        "a script is read from standard input: homeport HOST < FILE",
    ),
    (ALL, &["-4", "--ipv4"], "-o AddressFamily=inet"),
    (ALL, &["-6", "--ipv6"], "-o AddressFamily=inet6"),
    (ALL, &["-c", "--cipher"], "-o Ciphers=LIST chooses ciphers"),
];

/// What is done here instead of a command of another program.
pub fn instead_of_command(name: &str) -> Option<&'static str> {
    let known = COMMANDS.iter().find(|(names, _)| names.contains(&name))?;
    Some(known.1)
}

/// What is done here instead of an option of another program. `verb` is the command at which it was typed, if there was
/// one.
pub fn instead_of_option(verb: Option<&str>, option: &str) -> Option<&'static str> {
    let name = option.split('=').next().unwrap_or(option);
    let fits = |verbs: &[&str]| verbs.is_empty() || verb.is_some_and(|verb| verbs.contains(&verb));
    let known = OPTIONS
        .iter()
        .find(|(verbs, options, _)| fits(verbs) && options.contains(&name))?;
    Some(known.2)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn habits_lead_to_what_does_the_same() {
        assert_eq!(instead_of_command("scp"), Some(COMMANDS[0].1));
        assert_eq!(instead_of_command("put"), None);
        for (verb, option, expected) in [
            (Some("sync"), "-a", Some("times are always kept")),
            (Some("get"), "-a", Some("what has arrived")),
            (Some("get"), "--bwlimit=1M", Some("--limit-rate")),
            (Some("sync"), "--bwlimit=1M", Some("--limit-rate")),
            (Some("put"), "-l", Some("--limit-rate")),
            (Some("sync"), "-l", Some("--links")),
            (None, "-p", Some("-P sets the port")),
            (Some("df"), "-a", None),
            (Some("ls"), "--nonsense", None),
        ] {
            let hint = instead_of_option(verb, option);
            assert_eq!(hint.is_some(), expected.is_some(), "{verb:?} {option}");
            let begins = hint
                .zip(expected)
                .is_none_or(|(hint, words)| hint.starts_with(words));
            assert!(begins, "{hint:?}");
        }
    }

    /// What we have ourselves needs no advice, and the advice names what there is.
    #[test]
    fn advice_is_only_about_what_is_not_there() {
        let mut program = Cli::command();
        program.build();
        let verbs: Vec<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
        for (names, advice) in COMMANDS {
            assert!(names.iter().all(|name| !verbs.contains(name)), "{names:?}");
            let names_verb = advice.split([' ', ',']).any(|word| verbs.contains(&word));
            assert!(
                names_verb || advice.contains("homeport") || advice.contains("not needed"),
                "{advice}"
            );
        }
        let option_names = |verb: &clap::Command| -> Vec<String> {
            let long = verb.get_arguments().filter_map(clap::Arg::get_long);
            let short = verb.get_arguments().filter_map(clap::Arg::get_short);
            long.map(|long| format!("--{long}"))
                .chain(short.map(|short| format!("-{short}")))
                .collect()
        };
        for (verbs, options, advice) in OPTIONS {
            for verb in *verbs {
                let own = option_names(program.find_subcommand(verb).unwrap());
                for option in *options {
                    assert!(!own.iter().any(|own| own == option), "{verb} {option}");
                }
                let mut named = advice.split([' ', ',', ';']).filter(|word| word.starts_with('-'));
                assert!(
                    named.all(|word| own.iter().any(|own| own == word)),
                    "{verb}: {advice}"
                );
            }
        }
    }
}
