//! The web page and its API from outside.

mod archives;
mod files;
mod uploads;
