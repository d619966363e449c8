//! Lines and words, row by row; and that what is quoted comes back.

use proptest::prelude::*;

use super::*;

fn shell(line: &[u8]) -> Result<Vec<String>, SplitError> {
    let variable = |name: &[u8]| {
        if name == b"HOME" {
            b"/".to_vec()
        } else {
            Vec::new()
        }
    };
    let tokens = split(line, Rules::Shell(&variable))?;
    Ok(tokens
        .into_iter()
        .map(|token| match token {
            Token::Word(word) => word.bytes().escape_ascii().to_string(),
            Token::And => "<and>".into(),
            Token::Pipe => "<pipe>".into(),
        })
        .collect())
}

#[test]
fn lines_are_split_as_a_shell_splits_them() {
    let check = |line: &str, expected: &[&str]| {
        assert_eq!(shell(line.as_bytes()).unwrap(), expected, "{line}");
    };
    check("", &[]);
    check("  md5sum \t a  b ", &["md5sum", "a", "b"]);
    check(r"md5sum /p\ q", &["md5sum", "/p q"]);
    check(r"md5sum p\ ", &["md5sum", "p "]);
    check(r#"scp -t 'it'"'"'s'"#, &["scp", "-t", "it\\'s"]);
    check(
        r#"echo "a $HOME\n \" \$x" '$HOME'"#,
        &["echo", r#"a /\\n \" $x"#, "$HOME"],
    );
    check("echo ${ShellId}%ComSpec%", &["echo", "%ComSpec%"]);
    check("scp -f ${nothing}", &["scp", "-f"]);
    check("scp -f \"${nothing}\" ''", &["scp", "-f", "", ""]);
    check("cd a&&pwd", &["cd", "a", "<and>", "pwd"]);
    check(
        "df -Pk / | awk '{print $3, $4}'",
        &["df", "-Pk", "/", "<pipe>", "awk", "{print $3, $4}"],
    );
    check("echo a$ $/ {b} ~", &["echo", "a$", "$/", "{b}", "~"]);
    check("echo 'a\nb'", &["echo", "a\\nb"]);
    assert_eq!(shell(b"md5sum caf\xe9").unwrap(), ["md5sum", "caf\\xe9"]);
}

#[test]
fn what_only_a_shell_can_do_is_refused() {
    let check = |line: &str, expected: SplitError| {
        assert_eq!(shell(line.as_bytes()), Err(expected), "{line}");
    };
    for line in ["echo 'a", "echo \"a", "echo a\\", "echo \"a\\"] {
        check(line, SplitError::Unclosed);
    }
    for (line, operator) in [
        ("a; b", ';'),
        ("a & b", '&'),
        ("a || b", '|'),
        ("a |& b", '|'),
        ("echo `id`", '`'),
        ("echo \"`id`\"", '`'),
        ("echo $(id)", '$'),
        ("echo \"$(id)\"", '$'),
        ("echo ${x:-y}", '$'),
        ("echo ${}", '$'),
        ("a > b", '>'),
        ("a < b", '<'),
        ("(a)", '('),
        ("a\nb", '\n'),
    ] {
        check(line, SplitError::Operator(operator));
    }
    check("a\0b", SplitError::Nul);
    check(&"x".repeat(MAX_LINE + 1), SplitError::TooLong);
    check(&"x ".repeat(MAX_WORDS + 1), SplitError::TooMany);
    assert_eq!(
        shell("x ".repeat(MAX_WORDS).as_bytes()).map(|w| w.len()),
        Ok(MAX_WORDS)
    );
}

#[test]
fn a_word_knows_where_it_begins() {
    let tokens = split(b"scp -t  'my' file", Rules::Shell(&|_| Vec::new())).unwrap();
    let starts: Vec<usize> = tokens
        .iter()
        .map(|token| match token {
            Token::Word(word) => word.start,
            Token::And | Token::Pipe => usize::MAX,
        })
        .collect();
    assert_eq!(starts, [0, 4, 8, 13]);
}

fn typed(line: &str) -> Vec<String> {
    let words = words(line.as_bytes()).unwrap();
    let text = |word: &Word| -> String {
        // PatternByte: what would be part of a pattern.
        let marked = word.marked().map(|(byte, quoted)| match byte {
            b'*' | b'?' | b'[' if !quoted => format!("<{}>", char::from(byte)),
            _ => char::from(byte).to_string(),
        });
        marked.collect()
    };
    words.iter().map(text).collect()
}

#[test]
fn only_quotes_mean_something_in_the_clients_shell() {
    for (line, expected) in [
        (
            "put a&b; $HOME `id` (1)",
            &["put", "a&b;", "$HOME", "`id`", "(1)"][..],
        ),
        ("ls *.txt '*'\\*\"*\"", &["ls", "<*>.txt", "***"]),
        (r#"get "a \$ \" \\ \n" 'b\'"#, &["get", r#"a $ " \ \n"#, "b\\"]),
        ("get my\" fi\"le", &["get", "my file"]),
        ("  ", &[]),
    ] {
        assert_eq!(typed(line), expected, "{line}");
    }
    assert_eq!(words(b"get 'a"), Err(SplitError::Unclosed));
    assert_eq!(words(b"get \0"), Err(SplitError::Nul));
}

#[test]
fn what_is_being_typed_is_taken_apart() {
    for (line, complete, last, start, open) in [
        ("", 0, "", 0, None),
        ("ge", 0, "ge", 0, None),
        ("get ", 1, "", 4, None),
        ("get a\\ b", 1, "a b", 4, None),
        ("get a\\", 1, "a", 4, None),
        ("get x 'a b", 2, "a b", 6, Some(b'\'')),
        ("get x \"a \\\"b", 2, "a \"b", 6, Some(b'"')),
        ("get x\"a \\", 1, "xa ", 4, Some(b'"')),
        ("get 'a' ", 2, "", 8, None),
    ] {
        let found = unfinished(line.as_bytes());
        let seen = (
            found.words.len(),
            found.last.bytes(),
            found.last.start,
            found.open,
        );
        assert_eq!(seen, (complete, last.as_bytes(), start, open), "{line}");
    }
}

#[test]
fn what_is_quoted_looks_as_one_would_type_it() {
    for (word, open, line) in [
        ("plain.txt", None, "plain.txt"),
        ("a b", None, r"a\ b"),
        ("it's", None, r"it\'s"),
        ("it's", Some(b'\''), r"'it'\''s"),
        ("say \"a\"", Some(b'"'), r#""say \"a\""#),
        ("a b", Some(b'"'), "\"a b"),
        ("f[1]*.txt", None, r"f\[1]\*.txt"),
        ("~a~#", None, r"\~a~#"),
        ("Grüße", None, "Grüße"),
        ("", None, "''"),
    ] {
        assert_eq!(String::from_utf8(quote(word.as_bytes(), open)).unwrap(), line);
    }
}

proptest! {
    #[test]
    fn what_is_quoted_comes_back(
        all in proptest::collection::vec(proptest::collection::vec(1_u8..=255, 0..12), 1..4),
        open in prop_oneof![Just(None), Just(Some(b'\'')), Just(Some(b'"'))],
    ) {
        let variable = |_: &[u8]| b"never".to_vec();
        let mut line = Vec::new();
        for word in &all {
            line.extend(quote(word, open));
            line.extend(open);
            line.push(b' ');
        }
        let same = |words: Vec<Word>| words.iter().map(|word| word.bytes().to_vec()).collect::<Vec<_>>();
        let read = words(&line).unwrap();
        prop_assert!(open.is_none() || read.iter().all(|word| word.marked().all(|(_, quoted)| quoted)));
        prop_assert!(read.iter().all(|word| word.marked().all(|(b, quoted)| quoted || !b"*?[\\".contains(&b))));
        prop_assert_eq!(&same(read), &all);
        let shell = only_words(split(&line, Rules::Shell(&variable)).unwrap());
        prop_assert_eq!(same(shell), all);
    }

    #[test]
    fn a_word_that_is_typed_is_found_again(word in proptest::collection::vec(1_u8..=255, 1..12),
        open in prop_oneof![Just(None), Just(Some(b'\'')), Just(Some(b'"'))]) {
        let line = [b"get ", &quote(&word, open)[..]].concat();
        let found = unfinished(&line);
        prop_assert_eq!((found.last.bytes(), found.last.start, found.open), (&word[..], 4, open));
    }

    #[test]
    fn no_line_is_too_much(line in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = words(&line);
        let _ = unfinished(&line);
    }
}
