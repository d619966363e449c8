//! The web page and its API: files for users without an SFTP client, and a view of everything for those who run the
//! server.
//!
//! A request is a task of one connection ([`accept`]). It is made on behalf of a session, which is registered like one of
//! SSH: [`live`] has the sessions that are in use, [`sign_in`] begins them, [`users`] finds the one of a request. Files are
//! reached through a mounted home, with the rights, the quota and the events of any session. Nothing here touches
//! `storage/local`.
//!
//! States of a browser's sign-in: *remembered* (its cookie is in the store, by its hash), *live* (a session is registered,
//! from the first request until [`live::IDLE`] after the last), *ended* (the row is gone: signed out, expired, or no longer
//! accepted by the user's record). A restart ends only the second.

pub mod accept;
pub mod administration;
pub mod admins;
pub mod api;
pub mod app;
pub mod assets;
pub mod audit_search;
pub mod body;
mod connections;
pub mod cookies;
pub mod disposition;
pub mod error;
pub mod etag;
pub mod forwarded;
pub mod graphs;
mod guard;
pub mod homes;
pub mod host;
pub mod http_date;
pub mod json;
pub mod live;
pub mod origin;
pub mod pages;
pub mod preconditions;
pub mod query;
pub mod range;
pub mod sampler;
pub mod session_page;
pub mod settings;
pub mod sign_in;
pub mod single_header;
mod timed_stream;
pub mod tls;
pub mod tus;
pub mod url_path;
pub mod users;
pub mod visitor;
pub mod zip;
