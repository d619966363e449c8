//! The web page and its API from outside.

mod shares;
mod uploads;
