//! The prompts in a real terminal, in which the test runs itself.

use homeport::connect::{Prompts as _, Terminal as TerminalPrompts};

use crate::client::terminal::Terminal;

/// The environment variable that is set inside the terminal.
const INSIDE: &str = "HOMEPORT_TEST_TERMINAL";

/// Prompts inside the terminal. It handles SIGINT, because Ctrl-C at a prompt also raises that signal.
#[tokio::main(flavor = "current_thread")]
async fn inside() {
    let _handled = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).unwrap();
    assert!(TerminalPrompts::is_there());
    println!("[line {}]", TerminalPrompts.line("name? ").unwrap());
    println!("[secret {}]", TerminalPrompts.secret("word? ").unwrap().reveal());
    println!("[confirm {}]", TerminalPrompts.confirm("sure").unwrap());
    let error = TerminalPrompts.secret("again? ").unwrap_err();
    println!("[stopped {:?}]", error.kind());
}

#[test]
fn prompts_work_in_a_terminal() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let test = std::env::current_exe().unwrap();
    let command = format!(
        "'{}' --exact {} --nocapture",
        test.display(),
        testkit::test_name(module_path!(), "prompts_work_in_a_terminal")
    );
    let mut terminal = Terminal::start(&command, |script| {
        script.env(INSIDE, "1");
    });
    // Each answer is typed as soon as its prompt appears, as programs do that answer for users.
    for (prompt, typed) in [
        ("name? ", "tom\n"),
        ("word? ", "sesame\n"),
        ("sure (yes/no)? ", "hm\n"),
        ("Please type yes or no: ", "no\n"),
        ("again? ", "half\x03"),
    ] {
        terminal.wait_for_output(prompt);
        terminal.type_keys(typed);
    }
    terminal.wait_for_output("[stopped Interrupted]");
    let output = terminal.output();
    for part in ["[line tom]", "[secret sesame]", "[confirm false]"] {
        assert!(output.contains(part), "{part}: {output}");
    }
    assert_eq!(
        output.matches("sesame").count(),
        1,
        "a secret is not echoed: {output}"
    );
}
