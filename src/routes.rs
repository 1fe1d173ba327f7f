//! Routes a request to its response.
//!
//! [`Site::answer`] takes the head of a request and returns a [`Response`], without touching a socket. In order, it
//!
//! 1. refuses unsupported methods,
//! 2. decodes the target's path,
//! 3. refuses clients without the password, if one is needed,
//! 4. finds the route by the path's first component, or answers 404,
//! 5. lets the route plan the response to a GET (that to a HEAD is the same, and is sent without its body),
//! 6. adds the CORS fields if they are configured.

mod api;
mod listings;
mod pages;
mod playlist;
mod subtitles;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::access_log::without_key;
use crate::http::Method;
use crate::http::auth::Credentials;
use crate::http::cors::Cors;
use crate::http::request::Head;
use crate::http::response::{Body, Response};
use crate::http::shared_body::{SharedBodies, SharedBody};
use crate::http::target::Target;
use crate::library::path::as_path;
use crate::library::{Identity, Library, OpenError};
use crate::log_limit::log_limited;
use crate::metrics::{self, Metrics};
use crate::pages::assets;
use crate::representation;
use crate::single_flight::SingleFlight;
use crate::urls::{RoutePrefix, Urls};
use listings::{Listed, ListingKey, SharedError};
use subtitles::Conversions;

/// A library and how to serve it: all that a response depends on besides the request.
#[derive(Debug)]
pub struct Site {
    library: Library,
    cors: Option<Cors>,
    auth: Option<Credentials>,
    urls: Urls,
    metrics: Metrics,
    listings: SingleFlight<ListingKey, Arc<Listed>, SharedError>,
    /// By the file, and the language that its name tells.
    subtitles: SingleFlight<(Identity, String), Arc<SharedBody>, SharedError>,
    conversions: Conversions,
    bodies: SharedBodies,
}

/// The methods of every route.
const ALLOW: &str = "GET, HEAD, OPTIONS";

impl Site {
    /// A site that serves `library`.
    pub fn new(library: Library) -> Self {
        Self {
            library,
            cors: None,
            auth: None,
            urls: Urls::default(),
            metrics: Metrics::default(),
            listings: SingleFlight::default(),
            subtitles: SingleFlight::default(),
            conversions: Conversions::default(),
            bodies: SharedBodies::default(),
        }
    }

    /// Adds CORS fields for other origins.
    #[must_use]
    pub fn with_cors(mut self, cors: Option<Cors>) -> Self {
        self.cors = cors;
        self
    }

    /// Requires these credentials, or for files their key, except for `/health`. Behind an embedder's
    /// `tiny_http::Server`, wrong ones are neither slowed down nor logged.
    #[must_use]
    pub fn with_auth(mut self, auth: Option<Credentials>) -> Self {
        self.urls.key = auth.as_ref().map_or_else(String::new, |auth| format!("?key={}", auth.key()));
        self.auth = auth;
        self
    }

    /// Serves everything below a path.
    #[must_use]
    pub fn with_route_prefix(mut self, prefix: RoutePrefix) -> Self {
        self.urls.prefix = prefix;
        self
    }

    /// The counters of this site.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The response to a request made at `now`. It may hold an open file; only subtitles, and the playlists in a
    /// listed folder, are read here.
    pub fn answer(&self, head: &Head<'_>, now: SystemTime) -> Response {
        let response = match head.method {
            Method::Get | Method::Head => self.get(head, now),
            Method::Options => Response::bodiless(204).with("Allow", ALLOW),
            Method::NonStandard(_) => Response::text(501, "Unknown method."),
            _ => Response::text(405, "Only GET, HEAD and OPTIONS are allowed.").with("Allow", ALLOW),
        };
        match &self.cors {
            Some(cors) => cors.permit(response, head),
            None => response,
        }
    }

    fn get(&self, head: &Head<'_>, now: SystemTime) -> Response {
        let Some(target) = Target::parse(head.target) else {
            return Response::text(400, "The URL has a % without two hexadecimal digits after it.");
        };
        let below = self.urls.below(&target.path);
        if below != Some(b"/health") && !self.permits(head, &target, below.unwrap_or_default()) {
            let response = Response::text(401, "This server needs a user and a password.");
            return response.with("WWW-Authenticate", "Basic realm=\"filmstrip\", charset=\"UTF-8\"");
        }
        let Some(path) = below else {
            return Response::text(404, format!("Everything on this server is below {}/.", self.urls.prefix));
        };
        match path {
            b"/" => self.gallery(&target.value("path").unwrap_or_default(), head),
            b"/health" => uncached("text/plain; charset=utf-8", *b"ok"),
            b"/playlist.m3u" => self.playlist(&target.value("path").unwrap_or_default(), head),
            b"/api/videos" => self.api(head),
            // Browsers request these by default.
            b"/favicon.ico" | b"/apple-touch-icon.png" => asset(&path[1..], head),
            b"" => {
                let response = Response::text(308, "The URL needs a / at its end.");
                response.with("Location", format!("{}/", self.urls.prefix))
            }
            b"/metrics" => uncached(metrics::CONTENT_TYPE, self.metrics.text()),
            path => {
                let below = |route: &[u8]| path.strip_prefix(route);
                if let Some(name) = self.name_after_key(path).or(below(b"/video/")) {
                    self.video(name, &target, head, now)
                } else if let Some(name) = below(b"/watch/") {
                    self.watch(name, head)
                } else if let Some(name) = below(b"/subtitles/") {
                    self.subtitles(name, head, now)
                } else {
                    asset(below(b"/assets/").unwrap_or_default(), head)
                }
            }
        }
    }

    /// Whether a request for `path` has the password, or the key where that is enough.
    fn permits(&self, head: &Head<'_>, target: &Target<'_>, path: &[u8]) -> bool {
        let Some(auth) = &self.auth else { return true };
        let takes_key = path.starts_with(b"/video/") || path.starts_with(b"/subtitles/");
        auth.are_in(&head.fields)
            || (takes_key && target.value("key").is_some_and(|key| auth.have_key(&key)))
            || self.name_after_key(path).is_some()
    }

    /// The name in `/video/;key=<key>/<name>`, if that is the key. [`Urls::film`] has the reason.
    fn name_after_key<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let rest = path.strip_prefix(b"/video/;key=")?;
        let (key, name) = rest.split_at(rest.iter().position(|byte| *byte == b'/')?);
        self.auth.as_ref()?.have_key(key).then_some(&name[1..])
    }

    /// `/video/<name>`: the file as it is; with `?download`, as an attachment.
    fn video(&self, name: &[u8], target: &Target<'_>, head: &Head<'_>, now: SystemTime) -> Response {
        match self.library.open_file(name) {
            Ok(open) => {
                let as_download = target.has_flag("download");
                representation::respond(open, as_path(name), head, as_download, now)
            }
            Err(error) => self.error_response(&error, name),
        }
    }

    fn error_response(&self, error: &OpenError, name: &[u8]) -> Response {
        self.log_open_error(error, name);
        open_error_response(error)
    }

    /// Logs what the operator can fix, at most once a second.
    fn log_open_error(&self, error: &OpenError, name: &[u8]) {
        let what = match error {
            OpenError::NotFound => return,
            OpenError::OutsideRoot => "is a symbolic link out of the folder; --follow-symlinks serves it".into(),
            OpenError::Forbidden => "can't be read: permission denied".into(),
            OpenError::Unavailable(cause) => format!("can't be opened: {cause}"),
            OpenError::Busy => "can't be listed: the disk is too slow, or clients hold too many other listings".into(),
            OpenError::NoFolder(cause) => {
                let dir = self.library.path();
                // Once a minute is enough.
                return log_limited!(Duration::from_secs(60), |_| {
                    log::error!("{dir:?} can't be read: {cause}; requests are answered 503 until it can be again");
                });
            }
        };
        log_limited!(Duration::from_secs(1), |suppressed| {
            let name = without_key(name);
            let name = name.escape_ascii();
            log::warn!("\"{name}\" {what} ({suppressed} more such warnings)");
        });
    }
}

/// One of the pages' own files, or 404.
fn asset(name: &[u8], head: &Head<'_>) -> Response {
    assets::response(name, head).unwrap_or_else(|| Response::text(404, "There is no page at this URL."))
}

/// A response made for one request; caches must not keep it.
fn uncached(content_type: &'static str, bytes: impl Into<Vec<u8>>) -> Response {
    let body = Body::Bytes(bytes.into().into());
    Response::new(200, body).with("Content-Type", content_type).with("Cache-Control", "no-store")
}

/// The status for a failure to open. The client never sees the system's message.
fn open_error_response(error: &OpenError) -> Response {
    match error {
        OpenError::NotFound | OpenError::OutsideRoot => Response::text(404, "There is no such video."),
        OpenError::Forbidden => Response::text(403, "The server has no permission to read this file."),
        OpenError::Unavailable(_) | OpenError::NoFolder(_) => Response::unreadable(),
        OpenError::Busy => {
            Response::text(503, "The server is too busy to list this folder. Try again in a few seconds.").retry_soon()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_failure_to_open_has_a_status_and_no_word_of_the_system() {
        let rows = [
            (OpenError::NotFound, 404),
            (OpenError::OutsideRoot, 404),
            (OpenError::Forbidden, 403),
            (OpenError::Unavailable(io::Error::from_raw_os_error(24)), 503),
            (OpenError::NoFolder(io::Error::from_raw_os_error(2)), 503),
            (OpenError::Busy, 503),
        ];
        for (error, status) in rows {
            let response = open_error_response(&error);
            let Body::Bytes(text) = &response.body else { panic!("{error:?}") };
            assert_eq!((response.status.0, String::from_utf8_lossy(text).contains("os error")), (status, false));
            assert_eq!(response.field("retry-after").is_some(), status == 503);
        }
    }
}
