//! The web page and its API. The parts of it that are pure, without I/O, are values and parsers of HTTP.

pub mod cookies;
pub mod disposition;
pub mod etag;
pub mod forwarded;
pub mod host;
pub mod http_date;
pub mod origin;
pub mod preconditions;
pub mod range;
pub mod single_header;
pub mod tus;
pub mod url_path;
pub mod zip;
