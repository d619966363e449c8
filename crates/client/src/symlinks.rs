//! What symbolic links in a tree stand for, and how far those that a server sends may lead. Nothing here makes one.

/// What is done with symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkRule {
    /// Links to files are followed; those to directories are left out.
    #[default]
    Files,
    /// All links are followed, also those to directories.
    Follow,
    /// Links are copied as links.
    Copy,
    /// Links are compared as links, and none is made. So it does not matter where they lead.
    Compare,
}

impl LinkRule {
    /// The rule that the options `--links` and `--follow` mean.
    pub fn of(links: bool, follow: bool) -> Self {
        match (links, follow) {
            (true, _) => Self::Copy,
            (_, true) => Self::Follow,
            _ => Self::Files,
        }
    }

    /// The rule that the same options mean where nothing is changed.
    pub fn of_comparison(links: bool, follow: bool) -> Self {
        match Self::of(links, follow) {
            Self::Copy => Self::Compare,
            rule => rule,
        }
    }

    /// Whether links take part as links.
    pub fn keeps_links(self) -> bool {
        matches!(self, Self::Copy | Self::Compare)
    }
}

/// Whether a link whose directory lies `depth` directories below the root of the transfer points to something below that
/// root. After its first component that goes down, the path must not go up again: that component may be a link itself,
/// and the path above it is then another one.
pub fn stays_within(target: &[u8], depth: usize) -> bool {
    let mut ups = 0;
    let mut went_down = false;
    for component in target.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if went_down => return false,
            b".." => ups += 1,
            _ => went_down = true,
        }
    }
    !target.is_empty() && !target.starts_with(b"/") && ups <= depth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_out_of_the_directory_are_found() {
        for (target, depth, within) in [
            ("file", 0, true),
            ("./a//b/", 0, true),
            ("..", 0, false),
            ("..", 1, true),
            ("../x", 0, false),
            ("../../x", 2, true),
            ("../../../x", 2, false),
            ("/etc/passwd", 5, false),
            ("/", 5, false),
            // `a` may be a link to a directory that is less deep.
            ("a/..", 3, false),
            ("a/../b", 3, false),
            ("", 3, false),
            ("...", 0, true),
        ] {
            assert_eq!(stays_within(target.as_bytes(), depth), within, "{target} {depth}");
        }
    }
}
