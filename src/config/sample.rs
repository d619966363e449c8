//! The commented sample configuration, which is also the template for new ones.

use std::net::SocketAddr;

/// The sample as it is committed: the only commented configuration, which a test parses.
pub const TEXT: &str = include_str!("../../config/homeportd.toml");

/// Returns the sample with paths for a directory of its own, and with this address to listen on.
pub fn for_directory(listen: Option<SocketAddr>) -> String {
    let mut text = String::new();
    for line in TEXT.lines() {
        let line = match (line, listen) {
            (line, Some(address)) if line.starts_with("listen = ") => format!("listen = [\"{address}\"]"),
            (line, _) if line.starts_with("# Homeport's configuration") => {
                "# Homeport's configuration. Every setting has its default value, except perhaps \"listen\"."
                    .to_owned()
            }
            (line, _) if line.starts_with("# It works as it stands") => {
                "# homeportd -c THIS_FILE serve".to_owned()
            }
            (line, _) => line.replace("\"../", "\""),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}
