//! The columns of the line of a session: which of them a terminal has room for, and how wide they are.

/// A column of the lines of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopColumn {
    /// The number of the session.
    Id,
    /// The user's name.
    User,
    /// The client's address.
    Peer,
    /// How long ago the user has signed in.
    Since,
    /// How full the home is.
    Home,
    /// The bytes from the client, each second.
    In,
    /// The bytes to the client, each second.
    Out,
    /// The file that the session is busiest with.
    Doing,
}

/// A column with its place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlacedColumn {
    /// Which column it is.
    pub column: TopColumn,
    /// The number of columns of the terminal that it takes.
    pub width: usize,
}

/// The width that a column may grow to.
struct ColumnGrowth {
    column: TopColumn,
    width: usize,
}

/// The columns from left to right.
const FROM_THE_LEFT: [TopColumn; 8] = [
    TopColumn::Id,
    TopColumn::User,
    TopColumn::Peer,
    TopColumn::Since,
    TopColumn::Home,
    TopColumn::In,
    TopColumn::Out,
    TopColumn::Doing,
];

/// The columns in the order in which they get a place. The first five fit into 60 columns, the first seven into 80.
const BY_IMPORTANCE: [TopColumn; 8] = [
    TopColumn::User,
    TopColumn::Peer,
    TopColumn::In,
    TopColumn::Out,
    TopColumn::Doing,
    TopColumn::Home,
    TopColumn::Id,
    TopColumn::Since,
];

/// How the columns grow in a wider terminal, in this order. What is left then belongs to the last column.
const GROWTH: [ColumnGrowth; 6] = [
    ColumnGrowth {
        column: TopColumn::User,
        width: 16,
    },
    // The longest IPv4 address with its port.
    ColumnGrowth {
        column: TopColumn::Peer,
        width: 21,
    },
    // `100% of 1023.9 GiB`.
    ColumnGrowth {
        column: TopColumn::Home,
        width: 18,
    },
    ColumnGrowth {
        column: TopColumn::Doing,
        width: 30,
    },
    // The longest IPv6 address with its port.
    ColumnGrowth {
        column: TopColumn::Peer,
        width: 47,
    },
    ColumnGrowth {
        column: TopColumn::User,
        width: 32,
    },
];

impl TopColumn {
    /// Returns the title.
    fn title(self) -> &'static str {
        match self {
            TopColumn::Id => "ID",
            TopColumn::User => "USER",
            TopColumn::Peer => "FROM",
            TopColumn::Since => "SINCE",
            TopColumn::Home => "HOME",
            TopColumn::In => "IN/s",
            TopColumn::Out => "OUT/s",
            TopColumn::Doing => "DOING",
        }
    }

    /// Returns the width below which the column is left out.
    fn least_width(self) -> usize {
        match self {
            TopColumn::Id | TopColumn::Since => 6,
            // `1023.9 KiB`.
            TopColumn::User | TopColumn::In | TopColumn::Out => 10,
            // An IPv4 address without its port.
            TopColumn::Peer => 15,
            TopColumn::Home => 12,
            TopColumn::Doing => 11,
        }
    }

    /// Returns whether the texts stand at the right of the column, as numbers do.
    fn is_aligned_right(self) -> bool {
        match self {
            TopColumn::Id | TopColumn::Since | TopColumn::In | TopColumn::Out => true,
            TopColumn::User | TopColumn::Peer | TopColumn::Home | TopColumn::Doing => false,
        }
    }
}

impl PlacedColumn {
    /// Returns a text that is not wider than the column, filled up with spaces.
    pub fn padded(self, text: &str) -> String {
        let width = self.width;
        match self.column.is_aligned_right() {
            true => format!("{text:>width$}"),
            false => format!("{text:<width$}"),
        }
    }
}

/// Returns the columns that fit into a terminal of this width, from left to right, with a space between them. There is
/// always one.
pub(super) fn place(terminal_width: usize) -> Vec<PlacedColumn> {
    let mut left = terminal_width;
    let mut kept: Vec<TopColumn> = Vec::new();
    for column in BY_IMPORTANCE {
        let needed = column.least_width() + usize::from(!kept.is_empty());
        if needed <= left || kept.is_empty() {
            left = left.saturating_sub(needed);
            kept.push(column);
        }
    }
    let kept = FROM_THE_LEFT.into_iter().filter(|column| kept.contains(column));
    let mut placed: Vec<PlacedColumn> = kept
        .map(|column| PlacedColumn {
            column,
            width: column.least_width(),
        })
        .collect();
    for growth in &GROWTH {
        if let Some(grown) = placed.iter_mut().find(|placed| placed.column == growth.column) {
            let more = growth.width.saturating_sub(grown.width).min(left);
            grown.width += more;
            left -= more;
        }
    }
    if let Some(last) = placed.last_mut() {
        last.width += left;
    }
    placed
}

/// Returns the line with the titles.
pub(super) fn titles(columns: &[PlacedColumn]) -> String {
    let titles = columns.iter().map(|placed| placed.padded(placed.column.title()));
    titles.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_never_take_more_than_the_terminal_and_important_ones_come_first() {
        for width in 0..400 {
            let placed = place(width);
            let taken: usize = placed.iter().map(|placed| placed.width + 1).sum();
            assert!(
                taken <= width.max(TopColumn::User.least_width()) + 1,
                "{width}: {placed:?}"
            );
            let has = |column: TopColumn| placed.iter().any(|placed| placed.column == column);
            assert!(has(TopColumn::User));
            if width >= 60 {
                for column in [TopColumn::Peer, TopColumn::In, TopColumn::Out, TopColumn::Doing] {
                    assert!(has(column), "{column:?} at {width}");
                }
            }
            assert!(
                width < 80 || (has(TopColumn::Home) && has(TopColumn::Id)),
                "{width}"
            );
            assert!(width < 87 || placed.len() == FROM_THE_LEFT.len(), "{width}");
        }
    }

    #[test]
    fn titles_stand_above_their_columns() {
        assert_eq!(
            titles(&place(80)),
            "    ID USER       FROM            HOME               IN/s      OUT/s DOING      "
        );
    }
}
