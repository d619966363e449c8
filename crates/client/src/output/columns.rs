//! What fits into the columns of a terminal: the widths of texts, wrapping, and leaving out the middle. It is pure.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The columns that a text takes at most. Terminals differ in what they make of joined characters, such as a family,
/// and of variation selectors.
pub fn width(text: &str) -> usize {
    text.chars().map(width_of).sum::<usize>().max(text.width())
}

/// The columns that a character takes at most. A variation selector may widen the character before it.
fn width_of(c: char) -> usize {
    match c {
        '\u{fe0f}' => 1,
        c => c.width().unwrap_or(0),
    }
}

/// The lines that a text takes on a terminal of this width, which goes on in the next line where there is no room.
pub fn shown_lines(text: &str, columns: usize) -> usize {
    let (mut lines, mut used) = (1, 0);
    for width in text.chars().map(width_of).filter(|width| *width > 0) {
        used += width;
        if used > columns.max(1) && used > width {
            lines += 1;
            used = width;
        }
    }
    lines
}

/// Fits a text into exactly this many columns: it is filled with spaces, or its middle is left out, because the end of
/// a name distinguishes it better.
pub fn fit(text: &str, columns: usize) -> String {
    let mut out = shorten(text, columns);
    out.push_str(&" ".repeat(columns.saturating_sub(width(&out))));
    out
}

/// Leaves out the middle of a text that takes more than this many columns.
pub fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(1);
    let head: String = taken(text.chars(), room.div_ceil(2)).collect();
    let mut tail: Vec<char> = taken(text.chars().rev(), room / 2).collect();
    tail.reverse();
    head.chars()
        .chain((columns > 0).then_some('…'))
        .chain(tail)
        .collect()
}

fn taken(chars: impl Iterator<Item = char>, mut columns: usize) -> impl Iterator<Item = char> {
    chars.map_while(move |c| {
        columns = columns.checked_sub(width_of(c))?;
        Some(c)
    })
}

/// Breaks each line of a text between words, so that none takes more than this many columns. The lines that follow
/// begin with `indent` spaces. A word that is too long for a line is broken, too, but not within a character as it is
/// seen, such as a letter with its accents.
pub fn wrap(text: &str, columns: usize, indent: usize) -> String {
    let columns = columns.max(1);
    // The indentation leaves room for a wide character.
    let indent = " ".repeat(indent.min(columns.saturating_sub(2) / 2));
    let lines = text.lines().map(|line| wrapped_line(line, columns, &indent));
    lines.collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, columns: usize, indent: &str) -> String {
    let mut out = String::new();
    let mut used = 0;
    let mut rest = line;
    while !rest.trim().is_empty() {
        let (gap, behind) = rest.split_at(rest.len() - rest.trim_start().len());
        let (word, behind) = behind.split_at(behind.find(char::is_whitespace).unwrap_or(behind.len()));
        rest = behind;
        // The spaces at the beginning of a text stay, as far as there is room.
        let gap = match used {
            0 => gap
                .get(..gap.len().min(columns.saturating_sub(2) / 2))
                .unwrap_or_default(),
            _ => gap,
        };
        if used > 0 && used + width(gap) + width(word) > columns {
            out.push('\n');
            out.push_str(indent);
            used = indent.len();
        } else {
            out.push_str(gap);
            used += width(gap);
        }
        for seen in word.graphemes(true) {
            if used > indent.len() && used + width(seen) > columns {
                out.push('\n');
                out.push_str(indent);
                used = indent.len();
            }
            out.push_str(seen);
            used += width(seen);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_it_may_be() {
        let text = "One short line.\n  A line that is indented, with a-very-long-word-in-it-that-fits-nowhere.\n\n世界世界 می\u{200c}روم";
        for columns in 1..90 {
            for indent in [0, 2, 30] {
                let wrapped = wrap(text, columns, indent);
                // Wide characters take two columns even where there is one.
                let widest = wrapped.lines().map(width).max();
                assert!(widest <= Some(columns.max(2)), "{columns}: {wrapped}");
                let letters = |text: &str| text.split_whitespace().collect::<String>();
                assert_eq!(letters(&wrapped), letters(text));
            }
        }
        assert_eq!(wrap("a bc def", 4, 1), "a bc\n def");
        assert_eq!(wrap("  a   b", 80, 4), "  a   b");
        assert_eq!(wrap("xe\u{301}e\u{301}", 2, 0), "xe\u{301}\ne\u{301}");
        assert_eq!(wrap("a👩\u{200d}👧b", 4, 0), "a\n👩\u{200d}👧\nb");
    }

    #[test]
    fn what_does_not_fit_takes_more_lines() {
        for (text, columns, expected) in [
            ("", 5, 1),
            ("12345", 5, 1),
            ("123456", 5, 2),
            ("12345678901", 5, 3),
            // A wide character does not begin in the last column.
            ("世界世", 5, 2),
            ("世界世", 3, 3),
            ("世界", 1, 2),
            ("e\u{301}e\u{301}", 1, 2),
            ("ab", 0, 2),
        ] {
            assert_eq!(shown_lines(text, columns), expected, "{columns}: {text}");
        }
    }

    #[test]
    fn the_middle_is_left_out() {
        for (columns, expected) in [
            (0, ""),
            (1, "…"),
            (5, "ab…ij"),
            (9, "abcd…ghij"),
            (10, "abcdefghij"),
        ] {
            assert_eq!(shorten("abcdefghij", columns), expected);
        }
        assert_eq!(fit("ab", 4), "ab  ");
        assert_eq!(width("👩\u{200d}👧 ❤\u{fe0f}"), 7);
    }
}
