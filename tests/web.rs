//! The web page and its API from outside.

mod uploads;
