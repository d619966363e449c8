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

#[cfg(feature = "web")]
pub mod accept;
#[cfg(feature = "web")]
pub mod account;
#[cfg(feature = "web")]
pub mod administration;
#[cfg(feature = "web")]
pub mod admins;
#[cfg(feature = "web")]
pub mod api;
#[cfg(feature = "web")]
pub mod app;
#[cfg(feature = "web")]
pub mod assets;
#[cfg(feature = "web")]
pub mod audit_search;
#[cfg(feature = "web")]
pub mod body;
#[cfg(feature = "web")]
mod confirmation;
#[cfg(feature = "web")]
mod connections;
#[cfg(feature = "web")]
pub mod cookies;
#[cfg(feature = "web")]
pub mod disposition;
#[cfg(feature = "web")]
pub mod error;
#[cfg(feature = "web")]
pub mod etag;
#[cfg(feature = "web")]
pub mod form;
#[cfg(feature = "web")]
pub mod forwarded;
#[cfg(feature = "web")]
pub mod graphs;
#[cfg(feature = "web")]
mod guard;
#[cfg(feature = "web")]
pub mod gzip;
#[cfg(feature = "web")]
pub mod homes;
#[cfg(feature = "web")]
pub mod host;
#[cfg(feature = "web")]
pub mod http_date;
#[cfg(feature = "web")]
pub mod json;
#[cfg(feature = "web")]
pub mod json_body;
#[cfg(feature = "web")]
pub mod live;
#[cfg(feature = "web")]
pub mod operator;
#[cfg(feature = "web")]
pub mod origin;
#[cfg(feature = "web")]
pub mod pages;
#[cfg(feature = "web")]
pub mod preconditions;
#[cfg(feature = "web")]
mod qr_path;
#[cfg(feature = "web")]
pub mod query;
#[cfg(feature = "web")]
pub mod range;
#[cfg(feature = "web")]
mod routes;
#[cfg(feature = "web")]
pub mod sampler;
#[cfg(feature = "web")]
pub mod session_page;
#[cfg(feature = "web")]
mod session_start;
pub mod settings;
#[cfg(feature = "web")]
pub mod shares;
#[cfg(feature = "web")]
pub mod sign_in;
#[cfg(feature = "web")]
pub mod single_header;
#[cfg(feature = "web")]
mod timed_stream;
pub mod tls;
#[cfg(feature = "web")]
pub mod tus;
#[cfg(feature = "web")]
pub mod url_path;
#[cfg(feature = "web")]
mod use_cases;
#[cfg(feature = "web")]
pub mod users;
#[cfg(feature = "web")]
pub mod visitor;
#[cfg(feature = "web")]
pub mod zip;
