//! The helper that runs commands, and the supervisor that starts it: when they are killed, and when they are needed.

use super::crashes::WAITING;
use super::*;

#[test]
fn a_helper_that_is_killed_in_the_middle_of_a_command_is_started_again_and_runs_it_again() {
    // One process that the command leaves behind, and one that is meant to stay.
    let left = "sleep 1000 &\necho $! > DIR/left\nsetsid sleep 1000 &\necho $! > DIR/service";
    let script = format!("{left}\n{WAITING}");
    let story = HookStory::start(&script, ON_UPLOADS);
    story.put("a", b"1");
    wait_for("the command to begin", || !story.read("begun").is_empty());
    let pid = |name: &str| -> u32 { story.read(name).trim().parse().unwrap() };
    let (helper, left, service) = (story.running_helper(), pid("left"), pid("service"));
    let commands = children(helper);
    assert!(!commands.is_empty());
    wait_for("the service to have a session of its own", || {
        session(service) == Some(service)
    });
    kill(helper);
    story.server.wait_for_log("it was killed by signal 9");
    let another = story.wait_for_helper(helper);
    wait_for("the command to run again", || {
        story.read("begun").lines().count() == 2
    });
    // No two commands work on one event side by side.
    assert!(!commands.iter().any(|pid| is_running(*pid)), "{commands:?}");
    assert!(!is_running(left));
    // A service that a command has started on purpose goes on.
    assert!(is_running(service));
    kill(service);
    assert_eq!(story.list()[0]["attempts"], 0);
    story.write("go", "");
    let told = story.wait_for_told(1);
    assert_eq!(
        (&told[0]["delivery"], &told[0]["attempt"]),
        (&1.into(), &1.into())
    );
    story.wait_for_empty_queue();
    kill(pid("service"));
    // The next one works as the first did.
    story.put("b", b"1");
    assert_eq!(story.wait_for_told(2)[1]["path"], "/b");
    kill(pid("service"));
    assert_eq!(story.helper(), Some(another));
    let checked = story.server.admin_ok(&["check"], "");
    assert!(!checked.contains("commands of hooks"), "{checked}");
}

/// In a container, the session of all these processes is 0 for them, because it was begun outside.
#[test]
fn a_helper_that_is_killed_in_a_container_is_started_again() {
    let Some(container) = testkit::private_processes("hooks in a container") else {
        return;
    };
    let mut story = HookStory::new(WAITING, ON_UPLOADS);
    story.server.serve_by(&container);
    story.put("a", b"1");
    wait_for("the command to begin", || !story.read("begun").is_empty());
    let server = only_child(story.server.pid());
    let supervisor = only_child(server);
    let helper = helper_of(supervisor).expect("there is a helper");
    let commands = children(helper);
    assert!(!commands.is_empty());
    for process in [&[server, supervisor, helper], &commands[..]].concat() {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let session = status.lines().find(|line| line.starts_with("NSsid:"));
        assert!(session.is_some_and(|line| line.ends_with("\t0")), "{status}");
    }
    kill(helper);
    story.server.wait_for_log("it was killed by signal 9");
    wait_for("the command to run again", || {
        story.read("begun").lines().count() == 2
    });
    assert!(!commands.iter().any(|pid| is_running(*pid)), "{commands:?}");
    assert_eq!(children(server), [supervisor]);
    story.write("go", "");
    story.wait_for_told(1);
    story.wait_for_empty_queue();
    // Its end is that of all processes in the container.
    let helper = helper_of(supervisor).expect("there is a helper");
    kill(server);
    wait_for("all to end", || {
        ![supervisor, helper].iter().any(|pid| is_running(*pid))
    });
    story.server.wait_for_exit();
    // The next server has the same number, which is that of the socket that was left, and ends in an orderly way.
    story.server.serve_by(&container);
    story.put("b", b"1");
    assert_eq!(story.wait_for_told(2)[1]["path"], "/b");
    story.wait_for_empty_queue();
    send(only_child(story.server.pid()), "TERM");
    assert_eq!(story.server.wait_for_exit(), Some(0));
}

#[test]
fn a_command_that_kills_the_helper_each_time_is_set_aside_and_others_go_on() {
    let script = "in=$(cat)\ncase \"$in\" in *'\"/bad\"'*) kill -KILL \"$PPID\"; sleep 10 ;; esac\n\
                  printf '%s\\n' \"$in\" >> DIR/told";
    let story = HookStory::start(script, ON_UPLOADS);
    story.put("bad", b"1");
    let entry = story.wait_for_set_aside();
    assert_eq!(entry["path"], "/bad");
    assert!(
        entry["error"]
            .as_str()
            .unwrap()
            .contains("the helper has ended each time"),
        "{entry}"
    );
    story.put("good", b"1");
    assert_eq!(story.wait_for_told(1)[0]["path"], "/good");
}

#[test]
fn without_its_supervisor_the_server_serves_and_events_wait_for_a_restart() {
    let mut story = HookStory::start(TELL, ON_UPLOADS);
    let (supervisor, helper) = (story.supervisor(), story.running_helper());
    kill(supervisor);
    story
        .server
        .wait_for_log("the process that starts the helper of hooks again has ended");
    // The helper that there is goes on.
    story.put("a", b"1");
    assert_eq!(story.wait_for_told(1)[0]["path"], "/a");
    story.wait_for_empty_queue();
    kill(helper);
    story
        .server
        .wait_for_log("the commands of hooks cannot be run any more");
    story.put("b", b"1");
    assert_eq!(story.list()[0]["state"], "waiting");
    let checked = story.server.admin(&["check"], "");
    let said =
        String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(
        said.contains("the commands of hooks cannot be run any more"),
        "{said}"
    );
    let log = story.server.log();
    assert_eq!(log.matches("cannot be run any more").count(), 1, "{log}");
    story.server.signal("TERM");
    assert_eq!(story.server.wait_for_exit(), Some(0));
    story.server.serve();
    assert_eq!(story.wait_for_told(2)[1]["path"], "/b");
}

/// Nobody misses the supervisor of a server without commands, until a reload brings one.
#[test]
fn without_a_supervisor_the_first_command_waits_for_a_restart() {
    let mut story = HookStory::start(TELL, "");
    let supervisor = story.supervisor();
    kill(supervisor);
    wait_for("the server to notice it", || {
        children(story.server.pid()).is_empty()
    });
    let checked = story.server.admin_ok(&["check"], "");
    assert!(!checked.contains("commands of hooks"), "{checked}");
    story.configure(ON_UPLOADS);
    story.server.admin_ok(&["reload"], "");
    story.put("a", b"1");
    story
        .server
        .wait_for_log("the process that starts their helper is not there");
    assert_eq!(story.list()[0]["state"], "waiting");
    let checked = story.server.admin(&["check"], "");
    let said =
        String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(said.contains("the commands of hooks cannot be run"), "{said}");
    story.server.signal("TERM");
    assert_eq!(story.server.wait_for_exit(), Some(0));
    story.server.serve();
    assert_eq!(story.wait_for_told(1)[0]["path"], "/a");
}

#[test]
fn the_first_hook_of_a_server_needs_no_restart() {
    let mut story = HookStory::start(TELL, "");
    story.put("a", b"1");
    let supervisor = story.supervisor();
    assert_eq!(story.helper(), None);
    story.configure(ON_UPLOADS);
    let text = story.server.admin_ok(&["reload"], "");
    assert!(text.contains("[[hooks]]") && !text.contains("restart"), "{text}");
    story.put("b", b"1");
    assert_eq!(story.wait_for_told(1)[0]["path"], "/b");
    assert_eq!(story.supervisor(), supervisor);
    let helper = story.running_helper();
    story.server.signal("KILL");
    story.server.wait_for_exit();
    wait_for("both to end with the server", || {
        !is_running(helper) && !is_running(supervisor)
    });
}

/// A terminal and a service manager send their signals to all processes of a server.
#[test]
fn signals_for_the_whole_server_leave_the_helper_to_the_server() {
    let story = HookStory::start(TELL, ON_UPLOADS);
    // Both are at work then, and no signal comes while they start.
    story.put("before", b"1");
    story.wait_for_told(1);
    let both = [story.supervisor(), story.running_helper()];
    for pid in both {
        for signal in ["-TERM", "-INT", "-HUP"] {
            let sent = std::process::Command::new("kill")
                .args([signal, &pid.to_string()])
                .status();
            assert!(sent.unwrap().success());
        }
    }
    story.put("a", b"1");
    story.wait_for_told(2);
    assert_eq!([story.supervisor(), story.helper().unwrap()], both);
}

/// A process that a command leaves behind in a session of its own may keep the pipe open, and write to it for ever.
#[test]
fn a_process_that_keeps_the_output_open_delays_nothing() {
    let script = format!("setsid sh -c 'while echo x; do sleep 0.1; done' &\necho $! > DIR/pid\n{TELL}");
    // A command that had to be ended for that would be ended long after the test.
    let story = HookStory::start(&script, &format!("{ON_UPLOADS}timeout_secs = 300\n"));
    story.put("a", b"1");
    story.wait_for_told(1);
    story.wait_for_empty_queue();
    // Nobody reads what it writes any more, so that it ends.
    let pid: u32 = story.read("pid").trim().parse().unwrap();
    wait_for("the writer to end", || !is_running(pid));
}

#[test]
fn reloads_in_quick_succession_lose_no_event() {
    const UPLOADS: usize = 20;
    let story = HookStory::start(TELL, ON_UPLOADS);
    let mut sftp = story.server.raw("alice");
    for n in 0..UPLOADS {
        for _ in 0..5 {
            story.server.signal("HUP");
        }
        put(&mut sftp, &format!("f{n}"), b"1");
    }
    let told = story.wait_for_told(UPLOADS);
    let paths: Vec<String> = told
        .iter()
        .map(|told| told["path"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (0..UPLOADS).map(|n| format!("/f{n}")).collect();
    assert_eq!(paths, expected);
    story.wait_for_empty_queue();
    let log = story.server.log();
    assert!(log.contains("the configuration was read again"), "{log}");
    assert!(!log.contains("the configuration was not changed"), "{log}");
}
