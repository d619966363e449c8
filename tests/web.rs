//! The web page and its API from outside.

mod account;
mod admin;
mod archives;
mod description;
mod files;
mod pages;
mod shares;
mod uploads;
