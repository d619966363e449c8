//! The style sheets, the icon and the modules of the pages, which are part of the program.
//!
//! The address of an asset has a version in it, which is a hash of all of them: browsers may keep what they have fetched,
//! and never use files of two versions together, because modules import each other by relative addresses.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base::visible::hex;
use bytes::Bytes;
use flate2::Compression;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::app::WebApp;
use super::error::{WebError, WebErrorKind};
use super::gzip;

/// A file of `src/web/assets`.
struct Asset {
    name: &'static str,
    bytes: &'static [u8],
}

macro_rules! asset {
    ($name:literal) => {
        Asset {
            name: $name,
            bytes: include_bytes!(concat!("assets/", $name)),
        }
    };
}

/// All assets.
const ASSETS: &[Asset] = &[
    asset!("account.css"),
    asset!("account.mjs"),
    asset!("actions.mjs"),
    asset!("admin.css"),
    asset!("admin.mjs"),
    asset!("admin_sessions.mjs"),
    asset!("api.mjs"),
    asset!("app.css"),
    asset!("backoff.mjs"),
    asset!("dialogs.mjs"),
    asset!("directory.mjs"),
    asset!("dom.mjs"),
    asset!("drops.mjs"),
    asset!("favicon.svg"),
    asset!("files.css"),
    asset!("files.mjs"),
    asset!("format.mjs"),
    asset!("kinds.mjs"),
    asset!("listing.mjs"),
    asset!("menu.mjs"),
    asset!("move.mjs"),
    asset!("names.mjs"),
    asset!("preview.mjs"),
    asset!("rate.mjs"),
    asset!("rows.mjs"),
    asset!("selection.mjs"),
    asset!("share_visit.mjs"),
    asset!("shares.mjs"),
    asset!("theme.mjs"),
    asset!("theme_early.js"),
    asset!("transport.mjs"),
    asset!("tus.mjs"),
    asset!("upload_panel.mjs"),
    asset!("upload_places.mjs"),
    asset!("upload_queue.mjs"),
    asset!("upload_times.mjs"),
    asset!("uploads.mjs"),
];

/// The icon, as browsers ask for it where no page names it.
const ICON: &str = "favicon.svg";

/// The hexadecimal digits of a version.
const VERSION_DIGITS: usize = 16;

/// How long browsers keep an asset: a year, without asking again.
const KEPT: &str = "public, max-age=31536000, immutable";

/// How long browsers keep what has no version in its address.
const KEPT_A_DAY: &str = "public, max-age=86400";

/// What search engines are told: nothing here is for them.
const ROBOTS: &str = "User-agent: *\nDisallow: /\n";

/// The assets as they are sent.
static SERVED: LazyLock<ServedAssets> = LazyLock::new(ServedAssets::new);

/// All assets, compressed once.
struct ServedAssets {
    /// The path below which they are, with their version.
    base: String,
    version: String,
    assets: Vec<ServedAsset>,
}

/// An asset as it is sent.
struct ServedAsset {
    name: &'static str,
    plain: Bytes,
    /// The same, compressed; `None` if that is not shorter.
    gzip: Option<Bytes>,
}

/// What an address names.
#[derive(Deserialize)]
struct AssetPlace {
    version: String,
    name: String,
}

/// Returns the routes of the assets, and of what programs ask for at fixed addresses.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/assets/{version}/{name}", get(asset))
        .route("/favicon.ico", get(icon))
        .route("/robots.txt", get(robots))
}

/// Returns the path below which the assets are, without a slash at the end: `/assets/VERSION`.
pub fn base() -> &'static str {
    &SERVED.base
}

/// Answers GET of an asset. One of another version is not there: it might be another file.
async fn asset(Path(place): Path<AssetPlace>, headers: HeaderMap) -> Result<Response, WebError> {
    let asset = SERVED
        .find(&place.name)
        .filter(|_| place.version == SERVED.version);
    let asset = asset.ok_or_else(|| {
        WebError::new(WebErrorKind::NotFound, "there is no such file of this version")
            .hint("load the page again: the server may have been updated")
    })?;
    Ok(asset.response(&headers, KEPT))
}

/// Answers GET of the icon, for browsers that look for it at its old address.
async fn icon(headers: HeaderMap) -> Result<Response, WebError> {
    let icon = SERVED.find(ICON).ok_or_else(WebError::not_found)?;
    Ok(icon.response(&headers, KEPT_A_DAY))
}

/// Answers GET of what search engines may look at.
async fn robots() -> Response {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    ([(header::CONTENT_TYPE, plain)], ROBOTS).into_response()
}

impl ServedAssets {
    fn new() -> Self {
        let mut hash = Sha256::new();
        for asset in ASSETS {
            hash.update(asset.name);
            hash.update([0u8]);
            hash.update(Sha256::digest(asset.bytes));
        }
        let digits = hex(&hash.finalize());
        let version: String = digits.chars().take(VERSION_DIGITS).collect();
        Self {
            base: format!("/assets/{version}"),
            version,
            assets: ASSETS.iter().map(ServedAsset::of).collect(),
        }
    }

    fn find(&self, name: &str) -> Option<&ServedAsset> {
        self.assets.iter().find(|asset| asset.name == name)
    }
}

impl ServedAsset {
    fn of(asset: &Asset) -> Self {
        Self {
            name: asset.name,
            plain: Bytes::from_static(asset.bytes),
            gzip: gzip::packed(asset.bytes, Compression::best()),
        }
    }

    /// Returns the answer to a request with these headers.
    fn response(&self, headers: &HeaderMap, kept: &'static str) -> Response {
        let packed = self.gzip.as_ref().filter(|_| gzip::is_accepted(headers));
        let bytes = packed.unwrap_or(&self.plain).clone();
        let is_packed = packed.is_some();
        let mut response = Response::new(Body::from(bytes));
        let headers = response.headers_mut();
        let fields = [
            (header::CONTENT_TYPE, content_type(self.name)),
            (header::CACHE_CONTROL, kept),
            (header::VARY, "accept-encoding"),
        ];
        for (name, value) in fields {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if is_packed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// Returns the kind of an asset, as browsers are told it.
fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js" | "mjs")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn every_file_of_the_directory_is_served() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/assets");
        let entries = dir.read_dir().unwrap();
        let mut files: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let table: Vec<&str> = ASSETS.iter().map(|asset| asset.name).collect();
        assert_eq!(table, files);
        for name in table {
            assert_ne!(content_type(name), "application/octet-stream", "{name}");
        }
    }

    #[test]
    fn what_is_compressed_is_the_same() {
        for asset in &SERVED.assets {
            let Some(packed) = &asset.gzip else { continue };
            let mut unpacked = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(&packed[..]);
            decoder.read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, asset.plain, "{}", asset.name);
        }
        assert!(SERVED.find("app.css").unwrap().gzip.is_some());
        assert_eq!(SERVED.version.len(), VERSION_DIGITS);
    }
}
