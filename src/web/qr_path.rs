//! QR codes as the path of an SVG: attributes alone, since the policy of pages allows no styles.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};
use serde::Serialize;

/// The light modules around the code, which the standard demands.
const QUIET_ZONE: usize = 4;

/// A QR code as an SVG draws it, with a view box of `size` by `size`: black on white.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QrPath {
    /// The width and the height, with the margin.
    pub size: usize,
    /// The attribute `d` of the path: a rectangle for each row of dark modules side by side.
    pub path: String,
}

impl QrPath {
    /// Returns the code with this text, or `None` if it is too long for one.
    pub fn of(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let (width, colors) = (code.width(), code.to_colors());
        let mut path = String::new();
        for (y, row) in colors.chunks(width.max(1)).enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|left, right| left == right) {
                if run.first() == Some(&Color::Dark) {
                    let (left, top, length) = (x + QUIET_ZONE, y + QUIET_ZONE, run.len());
                    // Writing into a string does not fail.
                    let _ = write!(path, "M{left} {top}h{length}v1h-{length}z");
                }
                x += run.len();
            }
        }
        Some(Self {
            size: width + 2 * QUIET_ZONE,
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the dark modules back from the path.
    fn modules(drawn: &QrPath) -> Vec<Vec<bool>> {
        let mut rows = vec![vec![false; drawn.size]; drawn.size];
        for rectangle in drawn.path.split('M').skip(1) {
            let (start, rest) = rectangle.split_once('h').unwrap();
            let (x, y) = start.split_once(' ').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            let length: usize = rest.split_once('v').unwrap().0.parse().unwrap();
            assert_eq!(rest, format!("{length}v1h-{length}z"));
            rows[y][x..x + length].fill(true);
        }
        rows
    }

    #[test]
    fn what_is_drawn_is_the_code_with_a_margin() {
        let text = "otpauth://totp/Homeport:calvin?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Homeport";
        let drawn = QrPath::of(text).unwrap();
        let rows = modules(&drawn);
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let width = code.width();
        assert_eq!(drawn.size, width + 2 * QUIET_ZONE);
        let inner: Vec<bool> = rows[QUIET_ZONE..QUIET_ZONE + width]
            .iter()
            .flat_map(|row| row[QUIET_ZONE..QUIET_ZONE + width].to_vec())
            .collect();
        let expected: Vec<bool> = code
            .to_colors()
            .iter()
            .map(|color| *color == Color::Dark)
            .collect();
        assert_eq!(inner, expected);
        let dark = |rows: &[Vec<bool>]| rows.iter().flatten().filter(|dark| **dark).count();
        assert_eq!(dark(&rows), dark(&[inner]));
        assert!(QrPath::of(&"x".repeat(4000)).is_none());
    }
}
