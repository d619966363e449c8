//! How a file of a user is sent: its type, and the header `Content-Disposition` (RFC 6266).
//!
//! The rule about what a browser may show is here alone: pictures of pixels, audio, video and plain text. What can
//! carry script (SVG, HTML, XML, PDF), and everything unknown, is downloaded.

use std::fmt::Write as _;

use base::visible::must_be_escaped;

use super::url_path::href_name;

/// The type of what is not shown.
const UNKNOWN: &str = "application/octet-stream";

/// The type of everything that is shown as text, whatever its author meant it to be.
const PLAIN: &str = "text/plain; charset=utf-8";

/// The longest name in characters that is passed on. File systems have names of up to 255 bytes.
const LONGEST_NAME: usize = 255;

/// What stands for a character that a name on the user's machine must not have.
const REPLACEMENT: char = '_';

/// Pictures, which have pixels and no script, by extension.
const PICTURES: &[(&str, &str)] = &[
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("gif", "image/gif"),
    ("ico", "image/x-icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("png", "image/png"),
    ("webp", "image/webp"),
];

/// Audio by extension.
const AUDIO: &[(&str, &str)] = &[
    ("aac", "audio/aac"),
    ("flac", "audio/flac"),
    ("m4a", "audio/mp4"),
    ("mp3", "audio/mpeg"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("wav", "audio/wav"),
];

/// Video by extension.
const VIDEO: &[(&str, &str)] = &[
    ("m4v", "video/mp4"),
    ("mov", "video/quicktime"),
    ("mp4", "video/mp4"),
    ("ogv", "video/ogg"),
    ("webm", "video/webm"),
];

/// The extensions of what is shown as plain text. No HTML, SVG or XML: some would rather render it.
const TEXT: &[&str] = &[
    "adoc",
    "asm",
    "awk",
    "bash",
    "bat",
    "bib",
    "c",
    "cc",
    "cfg",
    "clj",
    "cmake",
    "conf",
    "cpp",
    "cs",
    "css",
    "csv",
    "cxx",
    "d",
    "dart",
    "diff",
    "dockerfile",
    "el",
    "env",
    "erl",
    "ex",
    "exs",
    "f90",
    "fish",
    "go",
    "gradle",
    "h",
    "hpp",
    "hs",
    "ini",
    "java",
    "jl",
    "js",
    "json",
    "jsonl",
    "jsx",
    "kt",
    "less",
    "lisp",
    "log",
    "lua",
    "m",
    "makefile",
    "markdown",
    "md",
    "mjs",
    "ml",
    "nfo",
    "nim",
    "nix",
    "patch",
    "php",
    "pl",
    "pm",
    "properties",
    "proto",
    "ps1",
    "py",
    "r",
    "rb",
    "rs",
    "rst",
    "sass",
    "scala",
    "scss",
    "sh",
    "sql",
    "srt",
    "sub",
    "swift",
    "tcl",
    "tex",
    "text",
    "toml",
    "ts",
    "tsv",
    "tsx",
    "txt",
    "v",
    "vb",
    "vim",
    "vtt",
    "vue",
    "yaml",
    "yml",
    "zig",
    "zsh",
];

/// What a file is for a browser, as far as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentKind {
    /// A picture of pixels.
    Picture,
    /// Audio.
    Audio,
    /// Video.
    Video,
    /// Text, shown as it is.
    Text,
    /// Anything else, which is only downloaded.
    Other,
}

/// The kind of a file and the value of `Content-Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentType {
    /// What it is.
    pub kind: ContentKind,
    /// The value of `Content-Type`.
    pub mime: &'static str,
}

/// Whether a browser shows a file or saves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The browser may show it.
    Inline,
    /// The browser saves it.
    Attachment,
}

impl ContentType {
    /// Returns the type of a file by the extension of its name, or by a name such as `Makefile`. It is sent with
    /// `X-Content-Type-Options: nosniff`, so that no browser looks at the content instead.
    pub fn of(name: &[u8]) -> Self {
        let extension = name.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
        let among = |table: &[(&str, &'static str)]| {
            let row = table
                .iter()
                .find(|row| extension.eq_ignore_ascii_case(row.0.as_bytes()));
            row.map(|row| row.1)
        };
        let is_text = || {
            TEXT.iter()
                .any(|text| extension.eq_ignore_ascii_case(text.as_bytes()))
        };
        let (kind, mime) = if let Some(mime) = among(PICTURES) {
            (ContentKind::Picture, mime)
        } else if let Some(mime) = among(AUDIO) {
            (ContentKind::Audio, mime)
        } else if let Some(mime) = among(VIDEO) {
            (ContentKind::Video, mime)
        } else if is_text() {
            (ContentKind::Text, PLAIN)
        } else {
            (ContentKind::Other, UNKNOWN)
        };
        Self { kind, mime }
    }

    /// Returns how the file is sent if the request asks to show it (`?inline`).
    pub fn disposition(&self, inline_wanted: bool) -> Disposition {
        match self.kind {
            ContentKind::Other => Disposition::Attachment,
            _ if inline_wanted => Disposition::Inline,
            _ => Disposition::Attachment,
        }
    }
}

impl Disposition {
    /// Formats the value of `Content-Disposition`, in ASCII.
    ///
    /// `filename` has the name in ASCII for old clients, `filename*` all of it where that differs. Bytes that are not
    /// UTF-8, control characters, characters that change the reading direction or are invisible, and those that mean
    /// something in paths or in the header itself, are replaced: the browser makes a name on the user's machine of it.
    pub fn header(self, name: &[u8]) -> String {
        let kind = match self {
            Self::Inline => "inline",
            Self::Attachment => "attachment",
        };
        let name = harmless(name);
        let ascii: String = name.chars().map(ascii_or_replacement).collect();
        let mut header = format!("{kind}; filename=\"{ascii}\"");
        if ascii != name {
            // Writing to a string does not fail.
            let _ = write!(header, "; filename*=UTF-8''{}", href_name(name.as_bytes()));
        }
        header
    }
}

/// Returns a name that is safe on every machine. It is never empty.
fn harmless(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        let is_dangerous = |c: char| must_be_escaped(c) || matches!(c, '/' | '\\' | '"');
        out.extend(chunk.valid().chars().map(|c| match is_dangerous(c) {
            true => REPLACEMENT,
            false => c,
        }));
        if !chunk.invalid().is_empty() {
            out.push(REPLACEMENT);
        }
    }
    let end = out.char_indices().nth(LONGEST_NAME).map(|(end, _)| end);
    out.truncate(end.unwrap_or(out.len()));
    if out.is_empty() {
        out.push(REPLACEMENT);
    }
    out
}

/// Some browsers decode `%41` within `filename`, so that a `%` is no ordinary character there.
fn ascii_or_replacement(c: char) -> char {
    match c {
        ' '..='~' if c != '%' => c,
        _ => REPLACEMENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_passed_on_safely() {
        let check = |name: &[u8], expected: &str| {
            let header = Disposition::Attachment.header(name);
            assert_eq!(header, format!("attachment; {expected}"));
            assert!(header.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        };
        check(b"a b.txt", "filename=\"a b.txt\"");
        check(b"", "filename=\"_\"");
        check(
            "é.txt".as_bytes(),
            "filename=\"_.txt\"; filename*=UTF-8''%C3%A9.txt",
        );
        check(b"100%.txt", "filename=\"100_.txt\"; filename*=UTF-8''100%25.txt");
        check(b"caf\xe9.txt", "filename=\"caf_.txt\"");
        check(b"a\"; filename=\"evil.exe", "filename=\"a_; filename=_evil.exe\"");
        check(b"a\r\nSet-Cookie: x=1", "filename=\"a__Set-Cookie: x=1\"");
        check(b"..\\..\\x/y", "filename=\".._.._x_y\"");
        check("cod\u{202e}txt.exe".as_bytes(), "filename=\"cod_txt.exe\"");
        check(b"it's*", "filename=\"it's*\"");
        check(
            "it's é".as_bytes(),
            "filename=\"it's _\"; filename*=UTF-8''it%27s%20%C3%A9",
        );
        let long = "é".repeat(300);
        let header = Disposition::Inline.header(long.as_bytes());
        assert!(header.starts_with("inline; filename=\"_"));
        assert_eq!(header.matches("%C3%A9").count(), LONGEST_NAME);
    }

    #[test]
    fn only_harmless_kinds_are_shown() {
        let check = |name: &[u8], kind: ContentKind, mime: &str| {
            let found = ContentType::of(name);
            assert_eq!((found.kind, found.mime), (kind, mime), "{}", name.escape_ascii());
        };
        check(b"a.png", ContentKind::Picture, "image/png");
        check(b"a.b.JPG", ContentKind::Picture, "image/jpeg");
        check(b"caf\xe9.webp", ContentKind::Picture, "image/webp");
        check(b"a.flac", ContentKind::Audio, "audio/flac");
        check(b"a.mov", ContentKind::Video, "video/quicktime");
        for text in [
            "README.md",
            "a.rs",
            "Makefile",
            "a.js",
            "a.json",
            "x.YAML",
            "a.csv",
        ] {
            check(text.as_bytes(), ContentKind::Text, PLAIN);
        }
        for other in [
            "a.svg",
            "a.svgz",
            "a.html",
            "a.HTM",
            "a.xhtml",
            "a.xml",
            "a.xsl",
            "a.pdf",
            "a.png.svg",
            "a",
            "",
            "a.",
            "a.swf",
            "a.mhtml",
            "a.exe",
            "a.png ",
            "a.htaccess",
        ] {
            check(other.as_bytes(), ContentKind::Other, UNKNOWN);
        }
    }

    #[test]
    fn what_may_not_be_shown_is_saved() {
        let check = |name: &[u8], inline_wanted: bool, expected: Disposition| {
            assert_eq!(ContentType::of(name).disposition(inline_wanted), expected);
        };
        check(b"a.png", true, Disposition::Inline);
        check(b"a.png", false, Disposition::Attachment);
        check(b"a.svg", true, Disposition::Attachment);
    }
}
