//! Wraps the lines of help that say how a command is used, which clap leaves as they are.

use super::columns::width;

/// What stands before the first way to use a command.
const USAGE: &str = "Usage:";
/// How far the other ways are indented: by the word above and a space.
const INDENT: usize = USAGE.len() + 1;
/// How much further the rest of a way is indented.
const REST: usize = 2;

/// A help text whose lines of usage have at most this many columns, unless a word is longer. It may have the escapes by
/// which clap shows colours.
pub fn wrap_usage(help: &str, columns: usize) -> String {
    let Some((before, usage)) = help.split_once(USAGE) else {
        return help.to_owned();
    };
    let (usage, after) = usage.split_at(usage.find("\n\n").unwrap_or(usage.len()));
    let room = columns.saturating_sub(INDENT);
    let ways: Vec<String> = usage.lines().map(|way| wrap_way(way.trim(), room)).collect();
    let ways = ways.join(&format!("\n{:INDENT$}", ""));
    // The escape behind the word ends its colour, and has no width.
    let space = if usage.starts_with(' ') { " " } else { "" };
    [before, USAGE, space, &ways, after].concat()
}

/// Breaks one way to use a command between its words.
fn wrap_way(way: &str, room: usize) -> String {
    let mut text = String::new();
    let mut used = 0;
    for word in way.split(' ') {
        let needed = visible_width(word);
        if !text.is_empty() {
            // Behind an escape, the space is the one behind the word above.
            let gap = usize::from(used > 0);
            if used + gap + needed <= room {
                text.push(' ');
                used += gap;
            } else {
                text.push_str(&format!("\n{:indent$}", "", indent = INDENT + REST));
                used = REST;
            }
        }
        text.push_str(word);
        used += needed;
    }
    text
}

/// The width of a text without the escapes that set colours.
fn visible_width(text: &str) -> usize {
    let mut plain = String::new();
    let mut is_escape = false;
    for character in text.chars() {
        match (is_escape, character) {
            (false, '\x1b') => is_escape = true,
            (false, _) => plain.push(character),
            (true, 'm') => is_escape = false,
            (true, _) => {}
        }
    }
    width(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_use_a_command_break_between_words() {
        let two = "About\n\nUsage: homeport sync [OPTIONS] DIR HOST:DIR\n       homeport sync [OPTIONS] HOST:DIR DIR\n\nOptions:\n  a line that is longer\n";
        assert_eq!(wrap_usage(two, 80), two);
        assert_eq!(
            wrap_usage(two, 30),
            "About\n\nUsage: homeport sync [OPTIONS]\n         DIR HOST:DIR\n       homeport sync [OPTIONS]\n         HOST:DIR DIR\n\nOptions:\n  a line that is longer\n"
        );
        let coloured = "\x1b[1m\x1b[4mUsage:\x1b[0m \x1b[1mhomeport ls\x1b[0m [OPTIONS] [PATH]...\n\nx";
        assert_eq!(wrap_usage(coloured, 80), coloured);
        assert_eq!(
            wrap_usage(coloured, 28),
            "\x1b[1m\x1b[4mUsage:\x1b[0m \x1b[1mhomeport ls\x1b[0m [OPTIONS]\n         [PATH]...\n\nx"
        );
        // A word that is too long stays whole.
        assert_eq!(
            wrap_usage("Usage: homeport ls", 3),
            "Usage: homeport\n         ls"
        );
        assert_eq!(wrap_usage("no such line", 3), "no such line");
    }
}
