//! Draws QR codes in a terminal: two modules in each character, by half blocks.

use qrcode::{Color, EcLevel, QrCode};

/// The number of light modules around the code, which readers need. The standard has 4, and they manage with 2.
const QUIET_ZONE: usize = 2;
/// Black on bright white: many readers do not recognise a code whose colours are exchanged, as a dark terminal would
/// show it.
const BLACK_ON_WHITE: &str = "\x1b[30;107m";
/// The terminal's own colours.
const RESET: &str = "\x1b[0m";

/// Returns the lines of a code with this text, or `None` if it is too long for one.
pub fn for_terminal(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let (width, colors) = (code.width(), code.to_colors());
    let is_dark = |x: usize, y: usize| {
        let (x, y) = (x.checked_sub(QUIET_ZONE)?, y.checked_sub(QUIET_ZONE)?);
        let inside = (x < width).then(|| colors.get(y * width + x))?;
        inside.map(|color| *color == Color::Dark)
    };
    let side = width + 2 * QUIET_ZONE;
    let mut lines = String::new();
    for y in (0..side).step_by(2) {
        lines.push_str(BLACK_ON_WHITE);
        for x in 0..side {
            let (upper, lower) = (is_dark(x, y), is_dark(x, y + 1));
            lines.push(match (upper.unwrap_or(false), lower.unwrap_or(false)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        lines.push_str(RESET);
        lines.push('\n');
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the modules back from the characters.
    fn modules(drawn: &str) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in drawn.lines() {
            let line = line
                .strip_prefix(BLACK_ON_WHITE)
                .and_then(|line| line.strip_suffix(RESET))
                .unwrap();
            rows.push(line.chars().map(|c| matches!(c, '█' | '▀')).collect());
            rows.push(line.chars().map(|c| matches!(c, '█' | '▄')).collect());
        }
        rows
    }

    #[test]
    fn what_is_drawn_is_the_code_with_a_margin() {
        let text = "otpauth://totp/Homeport:calvin?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Homeport";
        let rows = modules(&for_terminal(text).unwrap());
        let code = QrCode::with_error_correction_level(text, EcLevel::L).unwrap();
        let (width, colors) = (code.width(), code.to_colors());
        let drawn: Vec<bool> = rows[QUIET_ZONE..QUIET_ZONE + width]
            .iter()
            .flat_map(|row| row[QUIET_ZONE..QUIET_ZONE + width].to_vec())
            .collect();
        let expected: Vec<bool> = colors.iter().map(|color| *color == Color::Dark).collect();
        assert_eq!(drawn, expected);
        let dark = |row: &[bool]| row.iter().filter(|dark| **dark).count();
        assert!(rows.iter().take(QUIET_ZONE).all(|row| dark(row) == 0));
        assert!(
            rows.iter()
                .all(|row| dark(&row[..QUIET_ZONE]) == 0 && row.len() == width + 2 * QUIET_ZONE)
        );
    }

    #[test]
    fn a_text_that_fits_no_code_is_not_drawn() {
        assert!(for_terminal(&"x".repeat(4000)).is_none());
    }
}
