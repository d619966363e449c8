//! Draws graphs as SVG, with attributes and classes only: pages allow no style in them.

use std::fmt::Write as _;

use super::{GraphPeriod, GraphPoint};
use base::size::{Size, counted};

/// The width of a graph, in its own units.
const WIDTH: u64 = 720;
/// The height of a graph, in its own units.
const HEIGHT: u64 = 120;

/// What a graph shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphKind {
    /// The rates of uploads and downloads.
    Throughput,
    /// The number of sessions.
    Sessions,
    /// How full the fullest disk is.
    Disk,
}

/// One line of a graph.
struct GraphLine {
    /// The class by which the style sheet colours it.
    class: &'static str,
    name: &'static str,
    values: Vec<u64>,
}

impl GraphKind {
    /// All graphs, in the order of the page.
    pub const ALL: [Self; 3] = [Self::Throughput, Self::Sessions, Self::Disk];

    /// Returns the heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Throughput => "Throughput",
            Self::Sessions => "Sessions",
            Self::Disk => "Fullest disk",
        }
    }

    fn lines(self, points: &[GraphPoint]) -> Vec<GraphLine> {
        let line = |class, name, value: fn(&GraphPoint) -> u64| GraphLine {
            class,
            name,
            values: points.iter().map(value).collect(),
        };
        match self {
            Self::Throughput => vec![
                line("graph-up", "up", |point| point.up),
                line("graph-down", "down", |point| point.down),
            ],
            Self::Sessions => vec![line("graph-up", "sessions", |point| point.sessions)],
            Self::Disk => vec![line("graph-up", "full", |point| point.fullest)],
        }
    }

    /// Returns a value in words.
    fn words(self, value: u64) -> String {
        match self {
            Self::Throughput => format!("{}/s", Size(value)),
            Self::Sessions => counted(value, "session"),
            Self::Disk => format!("{}.{} %", value / 10, value % 10),
        }
    }

    /// Returns the value at the top of the graph, if the highest one is this.
    fn top(self, highest: u64) -> u64 {
        match self {
            Self::Disk => 1000,
            Self::Throughput | Self::Sessions => highest.max(1),
        }
    }
}

/// Returns what a graph shows in one sentence, for those who do not see it.
fn description(kind: GraphKind, lines: &[GraphLine], period: GraphPeriod) -> String {
    let mut text = format!("The last {}. ", period.name());
    for line in lines {
        let (highest, last) = (line.values.iter().max(), line.values.last());
        let _ = match (highest, last) {
            (Some(highest), Some(last)) => write!(
                text,
                "{}: at most {}, at last {}. ",
                line.name,
                kind.words(*highest),
                kind.words(*last)
            ),
            _ => write!(text, "{}: nothing yet. ", line.name),
        };
    }
    text.trim_end().to_owned()
}

/// Draws a graph. The newest point is at the right; what is not known yet is empty at the left. Nothing in it comes from
/// users, so it is no HTML that could deceive.
pub fn draw(kind: GraphKind, points: &[GraphPoint], period: GraphPeriod) -> String {
    let lines = kind.lines(points);
    let values = lines.iter().flat_map(|line| line.values.iter());
    let top = kind.top(values.copied().max().unwrap_or_default());
    let mut svg = format!(
        "<svg class=\"graph\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{}: {}\">",
        kind.title(),
        description(kind, &lines, period)
    );
    for part in 0..=4 {
        let y = HEIGHT * part / 4;
        let _ = write!(
            svg,
            "<line class=\"graph-grid\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/>"
        );
    }
    for line in &lines {
        let _ = write!(
            svg,
            "<polyline class=\"{}\" fill=\"none\" vector-effect=\"non-scaling-stroke\" points=\"{}\"/>",
            line.class,
            coordinates(&line.values, top, period)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Returns the coordinates of a line, in tenths of a unit.
fn coordinates(values: &[u64], top: u64, period: GraphPeriod) -> String {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let most = count(period.points());
    let missing = most.saturating_sub(count(values.len()));
    let mut text = String::with_capacity(values.len() * 12);
    for (number, value) in (missing..).zip(values) {
        let x = WIDTH * 10 * number / most.saturating_sub(1).max(1);
        let part = u128::from(HEIGHT * 10) * u128::from(*value.min(&top)) / u128::from(top.max(1));
        let y = (HEIGHT * 10).saturating_sub(u64::try_from(part).unwrap_or_default());
        let separator = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{separator}{}.{},{}.{}", x / 10, x % 10, y / 10, y % 10);
    }
    text
}

/// Returns the highest value of a graph, in words.
pub fn top_of(kind: GraphKind, points: &[GraphPoint]) -> String {
    let lines = kind.lines(points);
    let values = lines.iter().flat_map(|line| line.values.iter());
    kind.words(kind.top(values.copied().max().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(up: u64) -> GraphPoint {
        GraphPoint {
            up,
            down: 0,
            sessions: 2,
            fullest: 500,
        }
    }

    #[test]
    fn the_newest_point_is_at_the_right_and_the_highest_at_the_top() {
        let text = coordinates(&[0, 50, 100], 100, GraphPeriod::Hour);
        let points: Vec<&str> = text.split(' ').collect();
        assert_eq!(points.len(), 3);
        assert_eq!(points[2], "720.0,0.0");
        assert!(points[0].ends_with(",120.0"), "{text}");
        assert!(points[1].ends_with(",60.0"), "{text}");
        assert_eq!(coordinates(&[], 1, GraphPeriod::Week), "");
        // Numbers of any size draw something.
        assert_eq!(coordinates(&[u64::MAX], u64::MAX, GraphPeriod::Day), "720.0,0.0");
    }

    #[test]
    fn graphs_have_no_style_and_say_what_they_show() {
        for kind in GraphKind::ALL {
            let svg = draw(kind, &[point(0), point(2048)], GraphPeriod::Day);
            assert!(!svg.contains("style") && !svg.contains("script"), "{svg}");
            assert!(svg.contains("role=\"img\""), "{svg}");
        }
        let svg = draw(
            GraphKind::Throughput,
            &[point(2048), point(1024)],
            GraphPeriod::Hour,
        );
        let label = "Throughput: The last hour. up: at most 2.0 KiB/s, at last 1.0 KiB/s. down: at most 0 B/s, at last 0 B/s.";
        assert!(svg.contains(label), "{svg}");
        let empty = draw(GraphKind::Disk, &[], GraphPeriod::Week);
        assert!(empty.contains("full: nothing yet."), "{empty}");
    }
}
