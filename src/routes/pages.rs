//! The routes of the gallery and the player.

use super::Site;
use super::listings::{Depth, Format};
use crate::fingerprint;
use crate::http::request::Head;
use crate::http::response::{Body, Response};
use crate::library::OpenError;
use crate::pages;
use crate::representation::conditional;

impl Site {
    /// `/` and `/?path=<folder>`: the gallery of a folder. Its name may end in one `/`.
    pub(super) fn gallery(&self, folder: &[u8], head: &Head<'_>) -> Response {
        let folder = folder.strip_suffix(b"/").unwrap_or(folder);
        let body = self.listing_as(Format::Gallery, Depth::Folder, folder, |listing| {
            pages::gallery::page(&self.urls, folder, listing).into_bytes()
        });
        match body {
            Ok(body) => conditional(body.etag(""), head, || {
                pages::with_page_headers(Response::new(200, Body::Shared(body, String::new())))
            }),
            Err(error) => self.no_listing(&error, folder),
        }
    }

    /// `/watch/<name>`: the player of a video, with its neighbours in the folder.
    pub(super) fn watch(&self, name: &[u8], head: &Head<'_>) -> Response {
        let (listed, at) = match self.listed_video(name) {
            Ok(found) => found,
            Err(error) => return self.no_listing(&error, name),
        };
        let videos = &listed.listing.videos;
        let previous = at.checked_sub(1).map(|before| &videos[before]);
        // With 64 subtitle files it has some 30 kB, so it is not worth sharing.
        let page = pages::watch::page(&self.urls, &videos[at], previous, videos.get(at + 1));
        conditional(fingerprint::etag(page.as_bytes()), head, || {
            pages::with_page_headers(Response::new(200, Body::Bytes(page.into_bytes().into())))
        })
    }

    /// The error page for a folder. One without read permission is a fault of the setup, hence 503 and not 403.
    fn no_listing(&self, error: &OpenError, name: &[u8]) -> Response {
        self.log_open_error(error, name);
        match error {
            OpenError::NotFound | OpenError::OutsideRoot => pages::sentence(
                &self.urls,
                404,
                "Not found",
                "There is no such folder or video. It may have been moved or renamed.",
            ),
            OpenError::Forbidden | OpenError::Unavailable(_) | OpenError::NoFolder(_) | OpenError::Busy => {
                let sentence = "The server can\u{2019}t read this folder right now. Try again in a few seconds.";
                pages::sentence(&self.urls, 503, "Unavailable", sentence).retry_soon()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::Head;
    use crate::http::response::Body;
    use crate::library::Library;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::time::SystemTime;
    use tempfile::TempDir;

    /// A site over a temporary folder.
    struct Place {
        site: Site,
        _folder: TempDir,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path();
            fs::create_dir_all(path.join("season 1/.hidden")).unwrap();
            for file in
                ["film.mp4", "notes.txt", "season 1/e1.mp4", "season 1/e2.mp4", "season 1/.hidden/x.mp4", "a+b.mp4"]
            {
                fs::write(path.join(file), file).unwrap();
            }
            fs::write(path.join(OsStr::from_bytes(b"\xff.mp4")), "bytes").unwrap();
            Self { site: Site::new(Library::open(path).unwrap()), _folder: folder }
        }

        fn get(&self, target: &str) -> Response {
            let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            self.site.answer(&Head::parse(head.as_bytes()).unwrap(), SystemTime::now())
        }
    }

    #[test]
    fn every_page_has_its_address_and_nothing_else_does() {
        let place = Place::new();
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
            ("/assets/search.js", 200),
            ("/assets/manifest.webmanifest", 200),
            ("/favicon.ico", 200),
            ("/apple-touch-icon.png", 200),
            ("/style.css", 404),
            ("/assets/../style.css", 404),
            ("/assets/", 404),
            ("//", 404),
        ];
        for (target, want) in rows {
            assert_eq!(place.get(target).status.0, want, "{target}");
        }
    }

    #[test]
    fn a_page_runs_nothing_but_our_own_files() {
        let place = Place::new();
        for target in ["/", "/watch/film.mp4", "/?path=none"] {
            let response = place.get(target);
            let policy = response.field("content-security-policy").unwrap();
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"),
                "{policy}"
            );
            assert_eq!(response.field("referrer-policy"), Some("no-referrer"), "{target}");
            assert_eq!(response.field("x-content-type-options"), Some("nosniff"), "{target}");
            assert_eq!(response.field("cache-control"), Some("no-cache"), "{target}");
            assert_eq!(response.field("set-cookie"), None, "{target}");
            let html = match &response.body {
                Body::Bytes(bytes) => bytes.to_vec(),
                Body::Shared(body, origin) => body.chunk(0, usize::MAX / 2, origin).unwrap().0,
                _ => panic!("{target} has no body"),
            };
            let html = String::from_utf8(html.to_vec()).unwrap();
            assert!(!html.contains(" style=") && !html.contains("<style") && !html.contains("<script>"), "{target}");
        }
    }
}
