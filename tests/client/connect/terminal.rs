//! The prompts of a real terminal: `script` (bsdutils) makes one, and this test runs itself in it.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use homeport::connect::{Prompts as _, Terminal};

use testkit::wait_for;

const INSIDE: &str = "HOMEPORT_TEST_TERMINAL";

/// What happens inside the terminal. Ctrl-C is a signal, too, and programs that ask handle it.
#[tokio::main(flavor = "current_thread")]
async fn inside() {
    let _handled = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).unwrap();
    assert!(Terminal::is_there());
    println!("[line {}]", Terminal.line("name? ").unwrap());
    println!("[secret {}]", Terminal.secret("word? ").unwrap().reveal());
    println!("[confirm {}]", Terminal.confirm("sure").unwrap());
    let error = Terminal.secret("again? ").unwrap_err();
    println!("[stopped {:?}]", error.kind());
}

fn collect(mut output: ChildStdout) -> Arc<Mutex<String>> {
    let seen = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&seen);
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            sink.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    });
    seen
}

/// Ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_terminal_asks_and_hears() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let test = std::env::current_exe().unwrap();
    let command = format!(
        "'{}' --exact {} --nocapture",
        test.display(),
        testkit::test_name(module_path!(), "a_terminal_asks_and_hears")
    );
    let script = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env(INSIDE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("no script on this machine (hint: apt-get install bsdutils)");
    let mut script = Ended(script);
    let mut keys = script.0.stdin.take().unwrap();
    let seen = collect(script.0.stdout.take().unwrap());
    // As soon as each question is there, as programs do that answer for people.
    for (question, typed) in [
        ("name? ", "tom\n"),
        ("word? ", "sesame\n"),
        ("sure (yes/no)? ", "hm\n"),
        ("Please type yes or no: ", "no\n"),
        ("again? ", "half\x03"),
    ] {
        wait_for(question, || seen.lock().unwrap().contains(question));
        keys.write_all(typed.as_bytes()).unwrap();
    }
    wait_for("the end", || seen.lock().unwrap().contains("[stopped "));
    let seen = seen.lock().unwrap().clone();
    for part in [
        "[line tom]",
        "[secret sesame]",
        "[confirm false]",
        "[stopped Interrupted]",
    ] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    assert_eq!(
        seen.matches("sesame").count(),
        1,
        "a secret is not echoed: {seen}"
    );
}
