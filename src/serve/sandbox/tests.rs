//! The filter, in a process of its own: once it is in force it cannot be taken off, and no program can be run.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

/// Puts the filter from standard input in force in a Python process, makes each call, and prints `NAME ERRNO`.
const CALLS: &str = include_str!("calls.py");

fn answers() -> String {
    let program = filter::program().unwrap();
    let bytes: Vec<u8> = program
        .iter()
        .flat_map(|s| [&s.code.to_ne_bytes()[..], &[s.jt, s.jf], &s.k.to_ne_bytes()].concat())
        .collect();
    let mut child = Command::new("python3")
        .args(["-c", CALLS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("no python3 on this machine (hint: apt-get install python3)");
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_denied_call_answers_its_errno_and_nothing_is_killed() {
    let wrong: Vec<String> = answers()
        .lines()
        .filter(|line| line.starts_with("WRONG"))
        .map(str::to_owned)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn all_calls_of_the_table_were_tried() {
    let answers = answers();
    let right = answers.lines().filter(|line| line.starts_with("right ")).count();
    assert!(right >= 60, "{answers}");
    assert!(answers.ends_with("still alive\n"), "{answers}");
}

#[test]
fn this_machine_can_be_asked_whether_it_takes_the_filter() {
    probe().unwrap();
    // Only the thread that tried it has it.
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    assert!(status.contains("Seccomp:\t0"), "{status}");
}
