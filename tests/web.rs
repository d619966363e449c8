//! The web page and its API from outside.

mod account;
mod admin;
mod archives;
mod description;
mod files;
mod shares;
mod uploads;
