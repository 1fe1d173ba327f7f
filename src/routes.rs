//! Which response answers which request.
//!
//! [`Site::answer`] is the middle of the house: a request's head goes in, a [`Response`] comes out, and no socket is
//! touched on the way. In order, it
//!
//! 1. refuses methods that nobody serves,
//! 2. decodes the target's path,
//! 3. finds the route by the path's first component, or answers 404,
//! 4. lets the route plan its response, as a GET,
//! 5. leaves the body out for HEAD.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use crate::http::precondition::{Validators, Verdict, evaluate};
use crate::http::range::{Selection, select};
use crate::http::request::Head;
use crate::http::response::{Body, Response};
use crate::http::target::Target;
use crate::http::{Method, content_type, date};
use crate::library::listing::parent;
use crate::library::{Library, OpenError, OpenFile};
use crate::pages::{self, assets};

/// A library and how it is served: everything that a response depends on besides the request.
#[derive(Debug)]
pub struct Site {
    library: Library,
}

/// The methods that every route serves.
const ALLOW: &str = "GET, HEAD, OPTIONS";

impl Site {
    /// A site that serves `library`.
    pub fn new(library: Library) -> Self {
        Self { library }
    }

    /// The response to a request that was made at `now`. Opens a file where the response is one; reads none.
    pub fn answer(&self, head: &Head<'_>, now: SystemTime) -> Response {
        match head.method {
            Method::Get => self.get(head, now),
            Method::Head => self.get(head, now).without_body(),
            Method::Options => Response::bodiless(204).with("Allow", ALLOW),
            Method::NonStandard(_) => Response::text(501, "This method is not known here."),
            _ => Response::text(405, "This server only shows what it has; it takes nothing.").with("Allow", ALLOW),
        }
    }

    fn get(&self, head: &Head<'_>, now: SystemTime) -> Response {
        let Ok(target) = Target::parse(head.target) else {
            return Response::text(400, "The address has a % that two hexadecimal digits don't follow.");
        };
        match &*target.path {
            b"/" => self.gallery(&target.value("path").unwrap_or_default()),
            b"/health" => Response::text(200, "ok").with("Cache-Control", "no-store"),
            path => {
                let below = |route: &[u8]| path.strip_prefix(route);
                if let Some(name) = below(b"/video/") {
                    self.video(name, head, now)
                } else if let Some(name) = below(b"/watch/") {
                    self.watch(name)
                } else {
                    let asset = below(b"/assets/").and_then(|name| assets::response(name, head));
                    asset.unwrap_or_else(|| Response::text(404, "There is nothing at this address."))
                }
            }
        }
    }

    /// `/` and `/?path=<folder>`: the gallery of a folder, whose name may end in one `/`.
    fn gallery(&self, folder: &[u8]) -> Response {
        let folder = folder.strip_suffix(b"/").unwrap_or(folder);
        match self.library.list(folder) {
            Ok(listing) => pages::response(200, pages::gallery::page(folder, &listing)),
            Err(error) => list_error_page(&error, folder),
        }
    }

    /// `/watch/<name>`: the player of a video, with its neighbours in the folder.
    fn watch(&self, name: &[u8]) -> Response {
        let videos = match self.library.list(parent(name)) {
            Ok(listing) => listing.videos,
            Err(error) => return list_error_page(&error, name),
        };
        let Some(at) = videos.iter().position(|video| video.name == name) else {
            return list_error_page(&OpenError::NotFound, name);
        };
        let previous = at.checked_sub(1).map(|before| &videos[before]);
        pages::response(200, pages::watch::page(&videos[at], previous, videos.get(at + 1)))
    }

    /// `/video/<name>`: the file as it is.
    fn video(&self, name: &[u8], head: &Head<'_>, now: SystemTime) -> Response {
        match self.library.open_file(name) {
            Ok(open) => file_response(open, Path::new(OsStr::from_bytes(name)), head, now),
            Err(error) => open_error_response(&error, name),
        }
    }
}

/// One place where a failure to open becomes a status; nothing of the system's words reaches the client.
fn open_error_response(error: &OpenError, name: &[u8]) -> Response {
    let shown = || String::from_utf8_lossy(name).escape_debug().to_string();
    match error {
        OpenError::NotFound => Response::text(404, "There is no such video."),
        OpenError::LeadsOut => {
            log::warn!("\"{}\" is a link that leads out of the folder", shown());
            Response::text(404, "There is no such video.")
        }
        OpenError::Forbidden => {
            log::warn!("\"{}\" may not be read by this server's user", shown());
            Response::text(403, "The server may not read this file.")
        }
        OpenError::Unavailable(cause) => {
            log::error!("\"{}\" can't be opened: {cause}", shown());
            Response::text(503, "The file can't be read at the moment. Try again in a little while.")
                .with("Retry-After", "3")
        }
    }
}

/// The page that says why there is no listing. A folder that may not be read is no secret, but out of order.
fn list_error_page(error: &OpenError, name: &[u8]) -> Response {
    let shown = || String::from_utf8_lossy(name).escape_debug().to_string();
    match error {
        OpenError::NotFound | OpenError::LeadsOut => {
            pages::sentence(404, "Not here", "There is no such folder or video. It may have been moved or renamed.")
        }
        OpenError::Forbidden | OpenError::Unavailable(_) => {
            log::error!("\"{}\" can't be listed: {error:?}", shown());
            let sentence = "The server can\u{2019}t read this folder at the moment. Try again in a little while.";
            pages::sentence(503, "Out of reach", sentence).with("Retry-After", "3")
        }
    }
}

/// The response to a GET of an open file: its preconditions, then its ranges (RFC 9110 §13.2.2, §14.2).
fn file_response(open: OpenFile, name: &Path, head: &Head<'_>, now: SystemTime) -> Response {
    let validators = Validators::new(open.size, open.modified, now);
    let verdict = evaluate(&head.fields, &validators);
    let range = head.fields.get("range").filter(|_| head.method == Method::Get && verdict == Verdict::Proceed);
    let response = match verdict {
        Verdict::NotModified => return validated(Response::bodiless(304), &validators),
        Verdict::Failed => return Response::text(412, "The file is not the one that the request is about."),
        Verdict::Proceed | Verdict::ProceedWithoutRange => match range.map(|range| select(range, open.size)) {
            Some(Selection::Unsatisfiable) => return unsatisfiable(open.size),
            Some(Selection::Parts(parts)) => match <[_; 1]>::try_from(parts) {
                Ok([part]) => {
                    let content_range = format!("bytes {}-{}/{}", part.start, part.end - 1, open.size);
                    Response::new(206, Body::Slice(open.file, part)).with("Content-Range", content_range)
                }
                Err(_) => Response::new(200, Body::Slice(open.file, 0..open.size)),
            },
            Some(Selection::Whole) | None => Response::new(200, Body::Slice(open.file, 0..open.size)),
        },
    };
    let content_type = content_type::of(name);
    let response = match content_type::is_active(&content_type) {
        true => response.with("Content-Security-Policy", "sandbox"),
        false => response,
    };
    validated(response.with("Content-Type", content_type).with("Accept-Ranges", "bytes"), &validators)
}

/// Adds what caches need, the same on 200, 206 and 304 (§15.4.5).
fn validated(response: Response, validators: &Validators) -> Response {
    let response = response.with("ETag", validators.etag.clone()).with("Cache-Control", "no-cache");
    match validators.modified.and_then(date::format) {
        Some(modified) => response.with("Last-Modified", modified),
        None => response,
    }
}

/// §15.5.17.
fn unsatisfiable(size: u64) -> Response {
    let sentence = format!("The file has {size} bytes; the range asked for lies beyond them.");
    Response::text(416, sentence).with("Content-Range", format!("bytes */{size}")).with("Accept-Ranges", "bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// A site over a folder of this test's own, removed when it ends.
    struct Place(PathBuf, Site);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("filmstrip-routes-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("season 1/.hidden")).unwrap();
            for file in
                ["film.mp4", "notes.txt", "season 1/e1.mp4", "season 1/e2.mp4", "season 1/.hidden/x.mp4", "a+b.mp4"]
            {
                fs::write(path.join(file), file).unwrap();
            }
            fs::write(path.join(OsStr::from_bytes(b"\xff.mp4")), "bytes").unwrap();
            let site = Site::new(Library::open(&path).unwrap());
            Self(path, site)
        }

        fn get(&self, target: &str, fields: &str) -> Response {
            let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            self.1.answer(&Head::parse(head.as_bytes()).unwrap(), SystemTime::now())
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn every_page_has_its_address_and_nothing_else_does() {
        let place = Place::new("pages");
        let rows = [
            ("/", 200),
            ("/?path=", 200),
            ("/?path=season%201", 200),
            ("/?path=season+1", 200),
            ("/?path=season%201/", 200),
            ("/?path=season%201//", 404),
            ("/?path=/season%201", 404),
            ("/?path=none", 404),
            ("/?path=film.mp4", 404),
            ("/?path=..", 404),
            ("/?path=season%201/.hidden", 404),
            ("/?path=%00", 404),
            ("/?path=%zz", 404),
            ("/?other=%zz", 200),
            ("/watch/film.mp4", 200),
            ("/watch/a+b.mp4", 200),
            ("/watch/%FF.mp4", 200),
            ("/watch/season%201/e1.mp4?autoplay", 200),
            ("/watch/notes.txt", 404),
            ("/watch/season%201", 404),
            ("/watch/season%201/.hidden/x.mp4", 404),
            ("/watch/../film.mp4", 404),
            ("/watch/", 404),
            ("/watch", 404),
            ("/assets/style.css", 200),
            ("/assets/gallery.js", 200),
            ("/assets/player.js", 200),
            ("/assets/icon.svg", 200),
            ("/assets/../style.css", 404),
            ("/assets/", 404),
            ("//", 404),
        ];
        for (target, want) in rows {
            assert_eq!(place.get(target, "").status.0, want, "{target}");
        }
    }

    #[test]
    fn a_page_runs_nothing_but_our_own_files() {
        let place = Place::new("policy");
        for target in ["/", "/watch/film.mp4", "/?path=none"] {
            let response = place.get(target, "");
            let policy = response.field("content-security-policy").unwrap();
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"),
                "{policy}"
            );
            assert_eq!(response.field("referrer-policy"), Some("no-referrer"), "{target}");
            assert_eq!(response.field("x-content-type-options"), Some("nosniff"), "{target}");
            assert_eq!(response.field("cache-control"), Some("no-cache"), "{target}");
            assert_eq!(response.field("set-cookie"), None, "{target}");
            let Body::Bytes(html) = &response.body else { panic!("{target} has no body") };
            let html = String::from_utf8(html.to_vec()).unwrap();
            assert!(!html.contains(" style=") && !html.contains("<style") && !html.contains("<script>"), "{target}");
        }
    }

    #[test]
    fn an_asset_is_sent_again_when_it_changed() {
        let place = Place::new("assets");
        let first = place.get("/assets/style.css", "");
        let etag = first.field("etag").unwrap();
        assert_eq!(first.field("content-type"), Some("text/css; charset=utf-8"));
        let again = place.get("/assets/style.css", &format!("If-None-Match: {etag}\r\n"));
        assert_eq!((again.status.0, again.field("etag")), (304, Some(etag)));
        assert_eq!(place.get("/assets/style.css", "If-None-Match: \"x\"\r\n").status.0, 200);
    }
}
